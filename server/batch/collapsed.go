package batch

import "fmt"

// CollapsedError is the error of a job with a chain whose particles have a smaller effective size than [Job.LeastSize].
// It wraps [ErrCollapsed].
type CollapsedError struct {
	Chain uint64  // index of the chain
	Size  float64 // its effective size
	Least float64
}

// Error implements error.
func (e *CollapsedError) Error() string {
	return fmt.Sprintf("%v: chain %d has an effective size of %.2f, below %g: try more particles, fewer "+
		"values or more noise", ErrCollapsed, e.Chain, e.Size, e.Least)
}

// Unwrap returns [ErrCollapsed].
func (*CollapsedError) Unwrap() error { return ErrCollapsed }
