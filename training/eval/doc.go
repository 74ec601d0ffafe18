// Package eval measures how good samples are.
//
// Samples of a known mixture are compared with it: [Modes], [SlicedWasserstein], [MMD] and, for the network itself,
// [ScoreError]. Samples of images are compared with other images by a classifier's features: [FrechetDistance] (FID),
// [KernelDistance] (KID), [InceptionScore], [PrecisionRecall], and [Neighbours], which shows whether a model memorized
// its training data.
//
// Every number is a pure function of the arguments, which include seeds. Sums are in float64, and the linear algebra is
// gonum's. The package does not depend on how samples were drawn, or on the program that evaluates a classifier: a
// [Classifier] is an interface.
package eval
