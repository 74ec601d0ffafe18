// Package paper repeats the experiments of Song & Ermon (2019, arXiv 1907.05600; 2020, arXiv 2006.09011) and of the
// ring of eight Gaussians, and compares what it finds with what was found before.
//
// An experiment is a [Section] of a [Report]: pictures, and [Finding]s, each a number with what it should be and how
// far it may be off. [Report.Write] makes one page of them and a report.json for machines.
//
// [ExactSections] needs nothing but the exact scores of mixtures. [Networks] trains and loads networks by a
// [Laboratory]: this package knows no server and no ONNX Runtime.
package paper
