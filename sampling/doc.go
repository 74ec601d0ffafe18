// Package sampling draws samples from score models by Langevin dynamics.
//
// The vocabulary is the papers' (Song & Ermon 2019, arXiv 1907.05600; Song & Ermon 2020, arXiv 2006.09011; Song et
// al. 2021, arXiv 2011.13456):
//
//   - A score is ∇ log p_σ(x), the gradient of the log density of the data blurred by Gaussian noise of standard
//     deviation σ. A [Model] evaluates it for many rows at once, each row at its own σ.
//   - A [Schedule] is a strictly decreasing list of σ's. Its index is a level.
//   - A sampler such as [AnnealedLangevin] compiles to a [Plan]: one [Step] for each score evaluation.
//   - A chain is one sample being drawn. Its noise is a pure function of (seed, chain, step, element): see [Noise].
//
// Samplers do not own the loop. A [Block] holds the states of many chains, asks the model once for all of them, and
// advances each by its own plan; the chains may belong to different requests, plans and levels. [Run] is the loop for
// callers who have one request; the server's scheduler is the loop for those who have many.
//
// Samplers with a fixed number of steps are [Langevin], [AnnealedLangevin], [PredictorCorrector] on an [SDE], and
// [ProbabilityFlow]. The probability flow with error control, which also encodes samples and finds their likelihood,
// is [FlowDecode], [FlowEncode] and [FlowLogLikelihood].
//
// Step sizes follow the full-step convention x + a·s + √(2a)·z of the papers' code, not the half-step convention
// x + (a/2)·s + √a·z of the 2019 paper's text: a of the text is twice the a of this package.
//
// The package imports nothing but the standard library. All float32 products are rounded explicitly before they are
// added, so that no compiler fuses them and every build gives the same bits.
package sampling
