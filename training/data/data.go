// Package data holds what networks are trained on.
package data

// Source is a dataset: a name and an endless stream of samples. Sample i is a pure function of the source and i, so
// a stopped training can go on where it was and a batch can be drawn ahead of its use.
type Source interface {
	// Name says which data these are, on one line.
	Name() string

	// Shape is that of one sample: [2] for points of the plane, [channels, height, width] for images.
	Shape() []int

	// Read fills x, whose length is a whole number of samples, with the samples first, first+1 and so on, row-major.
	// Safe for concurrent use.
	Read(x []float32, first uint64) error
}
