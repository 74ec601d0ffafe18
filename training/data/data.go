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

// Finite is a [Source] of the rows of a file. When each has come once, they come again in another order.
type Finite interface {
	Source

	// Len returns the number of rows.
	Len() int
}

// Conditional is a [Source] that may know more of its samples: the class of each, or a vector of numbers.
type Conditional interface {
	Source

	// Condition says what is known.
	Condition() Condition

	// ReadCondition fills c with the conditions of the samples first, first+1 and so on: the index of the class, or the
	// numbers of the vector. It is safe for concurrent use.
	ReadCondition(c []float32, first uint64) error
}

// Condition describes what is known of each sample. The zero value is nothing.
type Condition struct {
	Classes int // number of classes; 0 for a vector
	Size    int // of the vector; 0 for classes
}

// ConditionOf returns what is known of the samples of a source.
func ConditionOf(s Source) Condition {
	if c, ok := s.(Conditional); ok {
		return c.Condition()
	}
	return Condition{}
}
