// Package sampling draws samples from score models by Langevin dynamics.
//
// The vocabulary comes from the papers (Song & Ermon 2019, arXiv 1907.05600; Song & Ermon 2020, arXiv 2006.09011; Song
// et al. 2021, arXiv 2011.13456):
//
//   - A score is ∇ log p_σ(x): the gradient of the log density of the data after Gaussian noise of standard
//     deviation σ is added. A [Model] evaluates the score of many rows at once, each row at its own σ.
//   - A [Schedule] is a strictly decreasing list of σ's. A level is an index in this list.
//   - A sampler such as [AnnealedLangevin] compiles to a [Plan]: one [Step] for each score evaluation.
//   - A chain is one sample that is being drawn. Its noise is a pure function of (seed, chain, step, element); see
//     [Noise].
//
// Samplers do not run a loop of their own. A [Block] holds the states of many chains. It evaluates the model once for
// all of them and advances each chain by its own plan. The chains may belong to different requests, plans and levels.
// [Run] is the loop for callers with one request. The server's scheduler is the loop for many.
//
// Four samplers have a fixed number of steps: [Langevin], [AnnealedLangevin], [PredictorCorrector] on an [SDE], and
// [ProbabilityFlow]. [FlowDecode], [FlowEncode] and [FlowLogLikelihood] solve the probability flow with error control.
// They decode latents, encode samples, and compute log likelihoods.
//
// A chain may know a [Measurement] of its sample. [Particles], [DDRM], [SNIPS] and [LikelihoodLangevin] draw from the
// distribution of samples given the measurement. [MixturePosterior] is that distribution, exactly, for a [Mixture].
//
// Step sizes follow the full-step convention x + a·s + √(2a)·z of the papers' code. The text of the 2019 paper uses the
// half-step convention x + (a/2)·s + √a·z: its a is twice the a of this package.
//
// The package imports only the standard library. It rounds every float32 product explicitly before it adds it. So no
// compiler fuses the two operations, and every build produces the same bits.
package sampling
