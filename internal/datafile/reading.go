// Package datafile reads the files of numbers that flags name, and writes samples as .npy and .csv.
package datafile

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"github.com/langevin-ml/langevin/client"
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

// BatchOf returns an array whose first axis counts rows. The error names the file as what calls it.
func BatchOf(a data.Array, what string) (client.Batch, error) {
	if len(a.Shape) < 2 {
		return client.Batch{}, fmt.Errorf("%s has shape %v: want rows, [n, ...]", what, a.Shape)
	}
	return client.Batch{X: a.Values, N: a.Shape[0], Shape: slices.Clone(a.Shape[1:])}, nil
}

// Input is a file of rows that can be read as numbers and as a table, one after the other. The model decides which it
// is, and what cannot be read at all should be said before a server is asked for the model.
type Input struct {
	path    string
	name    string // in errors
	once    bool   // it can be read only once, so content has it
	content []byte
}

// Open returns the file of a flag, or standard input for -. It reads that, and a pipe.
func Open(path string) (Input, error) {
	in := Input{path: path, name: path}
	if path == "-" {
		in.name = "standard input"
		return in.keep(os.Stdin)
	}
	if info, err := os.Stat(path); err != nil || info.Mode()&fs.ModeNamedPipe == 0 {
		return in, nil // reading it says what is wrong, if anything is
	}
	f, err := os.Open(path)
	if err != nil {
		return in, err
	}
	defer f.Close()
	return in.keep(f)
}

// keep returns an input with the content of a reader.
func (in Input) keep(r io.Reader) (Input, error) {
	var err error
	if in.content, err = io.ReadAll(r); err != nil {
		err = fmt.Errorf("read %s: %w", in.name, err)
	}
	in.once = true
	return in, err
}

func (in Input) array() (data.Array, error) {
	if in.once {
		return data.DecodeArray(in.name, bytes.NewReader(in.content))
	}
	return data.ReadArray(in.path)
}

func (in Input) table(form data.TextForm) (*data.Table, error) {
	if in.once {
		return data.DecodeTable(in.name, bytes.NewReader(in.content), form)
	}
	return data.ReadTable(in.path, form)
}

// ReadArray reads the file of a flag. If its content is open to interpretation, it writes to warn what it was taken
// for.
func ReadArray(path string, warn io.Writer) (data.Array, error) {
	in, err := Open(path)
	if err != nil {
		return data.Array{}, err
	}
	return in.Array(warn)
}

// Array is [ReadArray] of a file that is open.
func (in Input) Array(warn io.Writer) (data.Array, error) {
	a, err := in.array()
	if err == nil && a.Note != "" {
		fmt.Fprintf(warn, "langevin: %s: %s\n", in.name, a.Note)
	}
	return a, err
}

// ReadNumbers is [Input.Numbers] of the file of a flag, whose name it takes.
func ReadNumbers(flag, path string, warn io.Writer) (data.Array, error) {
	in, err := Open(path)
	if err != nil {
		return data.Array{}, err
	}
	return in.Numbers("--"+flag+" "+path, warn)
}

// Numbers is [ReadArray] of numbers in the range of the model's data. The error names the file as what calls it.
func (in Input) Numbers(what string, warn io.Writer) (data.Array, error) {
	a, err := in.Array(warn)
	if err == nil && !a.Numbers() {
		err = fmt.Errorf("%s holds %s: want numbers in the range of the model's data, not bytes or bools", what, a.Kind)
	}
	return a, err
}
