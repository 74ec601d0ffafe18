// Package eval measures how good samples are.
//
// Samples of a known mixture are held against it: [Modes], [SlicedWasserstein], [MMD] and, for the network itself,
// [ScoreError]. Samples of images are held against other images by what a classifier sees in them: [FrechetDistance]
// (FID), [KernelDistance] (KID), [InceptionScore], [PrecisionRecall], and [Neighbours], which shows whether a model
// learned its training data by heart.
//
// Every number is a pure function of its arguments, seeds among them. Sums are in float64, linear algebra is gonum's.
// Nothing here knows how samples were drawn or which program evaluates a classifier: a [Classifier] is an interface.
package eval
