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
	return join(found, n, warn)
}

// ReadAny is [Read] that also takes a single file of any name, or - for standard input, with any number of rows.
func ReadAny(paths []string, n int, warn io.Writer) (all Job, err error) {
	found, err := Expand(paths)
	if err == nil && len(found) == 1 {
		_, err = all.add(found[0], warn)
		return all, err
	}
	if err != nil {
		return all, err
	}
	return join(found, n, warn)
}

func join(paths []string, n int, warn io.Writer) (all Job, err error) {
	parts, err := order(paths)
	if err != nil {
		return all, err
	}
	seen := map[[sha256.Size]byte]string{}
	for i := range parts {
		before := all.N
		rows, err := all.add(parts[i].path, warn)
		if err != nil {
			return all, err
		}
		parts[i].rows = all.N - before
		if err := another(seen, parts[i], rows); err != nil {
			return all, err
		}
	}
	return all, fit(parts, n)
}

// ReadTables is [ReadAny] of rows of a table with the given columns, which each file has by name. Errors call the
// files as the flag.
func ReadTables(flag string, paths []string, n int, decimalComma bool, columns []client.Column) (all Job, err error) {
	found, err := Expand(paths)
	if err != nil {
		return all, err
	}
	parts := []part{{path: found[0]}}
	if len(found) > 1 {
		if parts, err = order(found); err != nil {
			return all, err
		}
	}
	for i, p := range parts {
		what := flag + " " + p.path
		rows, err := datafile.ReadTable(what, p.path, decimalComma, columns)
		if err == nil {
			err = rows.Whole(what, columns)
		}
		if err != nil {
			return all, err
		}
		parts[i].rows = rows.Table.Rows
		all.X, all.N = append(all.X, rows.X...), all.N+rows.Table.Rows
		all.Files = append(all.Files, p.path)
	}
	all.Shape = []int{len(columns)}
	if len(parts) == 1 {
		return all, nil
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

// add reads the next part, and returns its numbers.
func (j *Job) add(path string, warn io.Writer) ([]float32, error) {
	a, err := datafile.ReadArray(path, warn)
	switch {
	case err != nil:
		return nil, err
	case len(a.Shape) < 2:
		return nil, fmt.Errorf("%s has shape %v: want rows, [n, ...]", path, a.Shape)
	case !a.Numbers():
		return nil, fmt.Errorf("%s holds %s: want numbers, as sample writes them", path, a.Kind)
	case len(j.Files) > 0 && !slices.Equal(a.Shape[1:], j.Shape):
		return nil, fmt.Errorf("%s has rows of shape %v and %s of %v: want parts of one job", path, a.Shape[1:],
			j.Files[0], j.Shape)
	}
	j.Shape = a.Shape[1:]
	j.X = append(j.X, a.Values...)
	j.N += a.Shape[0]
	j.Files = append(j.Files, path)
	return a.Values, nil
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
