// Package figure draws what a score model does: densities, samples, score fields, chains between noise and data, and
// training losses, as PNG and GIF.
//
// A [Figure] is a table of panels that share their axes. A [Panel] is a stack of layers such as [Density], [Samples]
// and [ScoreField]. [Langevin] and [Annealed] are the figures of the toy experiments of NCSN (Song & Ermon 2019, arXiv
// 1907.05600, figures 2 and 3). [Still] and [Chains] draw samples of any shape that has a picture, [LossPlot] draws
// the training, and [Tradeoff] what costs buy. Everything is written to an io.Writer. [WriteFile] writes a whole file
// or nothing.
//
// The same input gives the same bytes. Colours are even in lightness, and white means nothing. Numbers that are not
// finite are neither drawn nor ignored. If samples have such numbers, the picture shows their count in red. Elsewhere
// they are an error.
package figure
