// Package data has the datasets for training networks.
package data

// Source is a dataset: a name and an endless stream of samples. Sample i is a pure function of the source and i. So a
// stopped training can resume, and a batch can be drawn before it is needed.
type Source interface {
	// Name describes the data in one line.
	Name() string

	// Shape returns the shape of one sample: [2] for points of the plane, [channels, height, width] for images.
	Shape() []int

	// Read fills x with the samples first, first+1 and so on, row-major. The length of x is a whole number of samples.
	// Read is safe for concurrent use.
	Read(x []float32, first uint64) error
}
