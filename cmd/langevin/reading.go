package main

import (
	"fmt"
	"io"

	"github.com/langevin-ml/langevin/training/data"
)

// arrayFiles is what a flag says that data.ReadArray reads.
const arrayFiles = ".npy, .npz (file.npz:NAME for one of several arrays) or .csv"

// reading shows by a bar how far the reading of a dataset is, and tells what was left out of it, each thing once.
func (p *program) reading(b *bar) data.Reader {
	told := map[string]bool{}
	return data.Reader{
		Progress: func(done, total int) {
			b.set(int64(done), int64(total), fmt.Sprintf("picture %s of %s", grouped(int64(done)), grouped(int64(total))))
		},
		Notice: func(text string) {
			if !told[text] {
				told[text] = true
				p.tell(b, text)
			}
		},
	}
}

// readArray reads the file of a flag, and tells what it was taken for if that is not plain.
func readArray(path string, warn io.Writer) (data.Array, error) {
	a, err := data.ReadArray(path)
	if err == nil && a.Note != "" {
		fmt.Fprintf(warn, "langevin: %s: %s\n", path, a.Note)
	}
	return a, err
}

// readNumbers reads the file of a flag that holds numbers in the range of the model's data.
func readNumbers(flag, path string, warn io.Writer) (data.Array, error) {
	a, err := readArray(path, warn)
	if err == nil && !a.Numbers() {
		err = fmt.Errorf("--%s %s holds %s: want numbers in the range of the model's data, not bytes or bools",
			flag, path, a.Kind)
	}
	return a, err
}
