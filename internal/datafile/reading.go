// Package datafile reads the files of numbers that flags name, and writes samples as .npy and .csv.
package datafile

import (
	"fmt"
	"io"
	"os"

	"github.com/langevin-ml/langevin/training/data"
)

// Elements returns how many numbers a sample of the given shape has.
func Elements(shape []int) int {
	product := 1
	for _, n := range shape {
		product *= n
	}
	return product
}

// ArrayFiles names the kinds of files that [ReadArray] reads, for the help of flags.
const ArrayFiles = ".npy, .npz (file.npz:NAME for one of several arrays) or .csv, - for .npy or CSV on standard input"

// ReadArray reads the file of a flag. If its content is open to interpretation, it writes to warn what it was taken
// for.
func ReadArray(path string, warn io.Writer) (data.Array, error) {
	read := data.ReadArray
	if path == "-" {
		read = func(string) (data.Array, error) { return data.DecodeArray("standard input", os.Stdin) }
	}
	a, err := read(path)
	if err == nil && a.Note != "" {
		fmt.Fprintf(warn, "langevin: %s: %s\n", path, a.Note)
	}
	return a, err
}

// ReadNumbers is [ReadArray] of numbers in the range of the model's data. The error names the flag.
func ReadNumbers(flag, path string, warn io.Writer) (data.Array, error) {
	a, err := ReadArray(path, warn)
	if err == nil && !a.Numbers() {
		err = fmt.Errorf("--%s %s holds %s: want numbers in the range of the model's data, not bytes or bools",
			flag, path, a.Kind)
	}
	return a, err
}
