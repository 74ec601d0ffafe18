package datafile

import (
	"fmt"
	"io"
	"slices"
)

// ReadGiven reads a condition for each of n rows from the file of the flag --given: the index of a class, or the
// numbers of a vector. It writes to warn what a file is taken for.
func ReadGiven(path string, n int, warn io.Writer) ([][]float32, error) {
	a, err := ReadArray(path, warn)
	if err != nil {
		return nil, err
	}
	if len(a.Shape) < 1 || len(a.Shape) > 2 || a.Shape[0] != n {
		return nil, fmt.Errorf("--given %s has shape %v: want a class, or a row of numbers, for each of the %d rows",
			path, a.Shape, n)
	}
	return slices.Collect(slices.Chunk(a.Values, max(1, len(a.Values)/max(1, n)))), nil
}
