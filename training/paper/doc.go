// Package paper repeats the experiments of Song & Ermon (2019, arXiv 1907.05600; 2020, arXiv 2006.09011) and the
// experiment of the ring of eight Gaussians. It compares its findings with reference values.
//
// An experiment is a [Section] of a [Report]. It has pictures and [Finding]s. A finding is a number with its expected
// value and its tolerance. [Report.Write] writes one page of them, and a report.json for programs.
//
// [ExactSections] needs only the exact scores of mixtures. [Networks] trains and loads networks with a [Laboratory].
// The package itself depends neither on a server nor on ONNX Runtime.
package paper
