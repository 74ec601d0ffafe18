// Package figure draws what a score model does: densities, samples, score fields, chains on their way from noise to
// data, and training losses, as PNG and GIF.
//
// A [Figure] is a table of panels that share their axes; a [Panel] is a stack of layers such as [Density], [Samples]
// and [ScoreField]. [Langevin] and [Annealed] lay out the figures of the toy experiments of NCSN (Song & Ermon 2019,
// arXiv 1907.05600, figures 2 and 3). [Still] and [Chains] draw samples of any shape that has a picture, [LossPlot] the
// training. Everything is written to an io.Writer; [WriteFile] puts it into a file, whole or not at all.
//
// The same input gives the same bytes. Colours are even in lightness, white for nothing. Numbers that are not finite
// are never drawn and never passed over: where samples hold them, the picture says in red how many; elsewhere they are
// an error.
package figure
