// Package parts reads the parts of a sharded job, which langevin sample --shard has drawn, as one array.
package parts

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/internal/datafile"
)

// Job is the parts of a job, put together.
type Job struct {
	client.Batch
	Files []string // in order
}

// Read returns the n rows of all files, in the order of the numbers in their names. A path may be a pattern, such as
// part-*.npy, for where there is no shell. Warnings about the files go to warn. An error says why the files are not the
// parts of a job of n rows: one is missing or there twice, or has another number of rows, or rows of another shape.
func Read(paths []string, n int, warn io.Writer) (all Job, err error) {
	found, err := Expand(paths)
	if err != nil {
		return all, err
	}
	return join(found, n, arrays(warn))
}

// ReadAny is [Read] that also takes a single file of any name, or - for standard input, with any number of rows.
func ReadAny(paths []string, n int, warn io.Writer) (Job, error) {
	return readAny(paths, n, arrays(warn))
}

// ReadTables is [ReadAny] of rows of a table with the given columns. Errors call the files as the flag.
func ReadTables(
	flag string, paths []string, n int, decimalComma bool, columns []client.Column, warn io.Writer,
) (Job, error) {
	return readAny(paths, n, func(path string) (client.Batch, error) {
		what := flag + " " + path
		rows, err := datafile.ReadTable(what, path, decimalComma, columns, warn)
		if err == nil {
			err = rows.Whole(what, columns)
		}
		if err != nil {
			return client.Batch{}, err
		}
		return client.Batch{X: rows.X, N: rows.Table.Rows, Shape: []int{len(columns)}}, nil
	})
}

// reader returns the rows of a file.
type reader func(path string) (client.Batch, error)

// arrays returns the reader of arrays of numbers.
func arrays(warn io.Writer) reader {
	return func(path string) (client.Batch, error) {
		a, err := datafile.ReadArray(path, warn)
		if err == nil && !a.Numbers() {
			err = fmt.Errorf("%s holds %s: want numbers, as sample writes them", path, a.Kind)
		}
		if err != nil {
			return client.Batch{}, err
		}
		return datafile.BatchOf(a, path)
	}
}

func readAny(paths []string, n int, read reader) (all Job, err error) {
	found, err := Expand(paths)
	if err == nil && len(found) == 1 {
		_, err = all.add(found[0], read)
		return all, err
	}
	if err != nil {
		return all, err
	}
	return join(found, n, read)
}

func join(paths []string, n int, read reader) (all Job, err error) {
	parts, err := order(paths)
	if err != nil {
		return all, err
	}
	seen := map[[sha256.Size]byte]string{}
	for i := range parts {
		rows, err := all.add(parts[i].path, read)
		if err != nil {
			return all, err
		}
		parts[i].rows = rows.N
		if err := another(seen, parts[i], rows.X); err != nil {
			return all, err
		}
	}
	return all, fit(parts, n)
}

// leastAlike is the least number of rows in which two parts are not equal by chance.
const leastAlike = 64

// another returns an error if a part that was seen before has the same rows.
func another(seen map[[sha256.Size]byte]string, p part, rows []float32) error {
	if p.rows < leastAlike {
		return nil
	}
	sum := sha256.New()
	if err := binary.Write(sum, binary.LittleEndian, rows); err != nil {
		return err
	}
	digest := [sha256.Size]byte(sum.Sum(nil))
	if same, found := seen[digest]; found {
		return fmt.Errorf("%s and %s have the same rows: one is a copy of the other", same, p.path)
	}
	seen[digest] = p.path
	return nil
}

// add reads the next part, and returns its rows.
func (j *Job) add(path string, read reader) (client.Batch, error) {
	rows, err := read(path)
	if err != nil {
		return rows, err
	}
	if len(j.Files) > 0 && !slices.Equal(rows.Shape, j.Shape) {
		return rows, fmt.Errorf("%s has rows of shape %v and %s of %v: want parts of one job", path, rows.Shape,
			j.Files[0], j.Shape)
	}
	j.Shape = rows.Shape
	j.X = append(j.X, rows.X...)
	j.N += rows.N
	j.Files = append(j.Files, path)
	return rows, nil
}

// String names the parts: "part-0.npy to part-7.npy".
func (j Job) String() string {
	if len(j.Files) == 1 {
		return j.Files[0]
	}
	return j.Files[0] + " to " + j.Files[len(j.Files)-1]
}

// Expand replaces patterns by the files that match them. A file whose name looks like a pattern is itself.
func Expand(paths []string) ([]string, error) {
	var all []string
	for _, path := range paths {
		if _, err := os.Stat(path); err == nil || !strings.ContainsAny(path, "*?[") {
			all = append(all, path)
			continue
		}
		matches, err := filepath.Glob(path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if len(matches) == 0 {
			return nil, fmt.Errorf("%s: no file matches", path)
		}
		all = append(all, matches...)
	}
	return all, nil
}
