// Package parts reads the parts of a sharded job, which langevin sample --shard has drawn, as one array.
package parts

import (
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

// Read returns the rows of all files, in the order of the numbers in their names. A path may be a pattern, such as
// part-*.npy, for where there is no shell. Warnings about the files go to warn. An error says why the files are not the
// parts of one job: one is missing or there twice, or its rows have another shape.
func Read(paths []string, warn io.Writer) (all Job, err error) {
	found, err := expand(paths)
	if err != nil {
		return all, err
	}
	return join(found, warn)
}

// ReadAny is [Read] that also takes a single file of any name, or - for standard input.
func ReadAny(paths []string, warn io.Writer) (all Job, err error) {
	found, err := expand(paths)
	if err == nil && len(found) == 1 {
		err = all.add(found[0], warn)
		return all, err
	}
	if err != nil {
		return all, err
	}
	return join(found, warn)
}

func join(paths []string, warn io.Writer) (all Job, err error) {
	found, err := ordered(paths)
	for _, path := range found {
		if err == nil {
			err = all.add(path, warn)
		}
	}
	return all, err
}

// ordered returns the paths of parts in their order.
func ordered(paths []string) (sorted []string, err error) {
	parts, err := order(paths)
	for _, p := range parts {
		sorted = append(sorted, p.path)
	}
	return sorted, err
}

// ReadTables is [ReadAny] of rows of a table with the given columns, which each file has by name. Errors call the
// files as the flag.
func ReadTables(flag string, paths []string, decimalComma bool, columns []client.Column) (all Job, err error) {
	found, err := expand(paths)
	if err == nil && len(found) > 1 {
		found, err = ordered(found)
	}
	if err != nil {
		return all, err
	}
	for _, path := range found {
		what := flag + " " + path
		rows, err := datafile.ReadTable(what, path, decimalComma, columns)
		if err == nil {
			err = rows.Whole(what, columns)
		}
		if err != nil {
			return all, err
		}
		all.X, all.N = append(all.X, rows.X...), all.N+rows.Table.Rows
		all.Files = append(all.Files, path)
	}
	all.Shape = []int{len(columns)}
	return all, nil
}

// add reads the next part.
func (j *Job) add(path string, warn io.Writer) error {
	a, err := datafile.ReadArray(path, warn)
	switch {
	case err != nil:
		return err
	case len(a.Shape) < 2:
		return fmt.Errorf("%s has shape %v: want rows, [n, ...]", path, a.Shape)
	case !a.Numbers():
		return fmt.Errorf("%s holds %s: want numbers, as sample writes them", path, a.Kind)
	case len(j.Files) > 0 && !slices.Equal(a.Shape[1:], j.Shape):
		return fmt.Errorf("%s has rows of shape %v and %s of %v: want parts of one job", path, a.Shape[1:], j.Files[0],
			j.Shape)
	}
	j.Shape = a.Shape[1:]
	j.X = append(j.X, a.Values...)
	j.N += a.Shape[0]
	j.Files = append(j.Files, path)
	return nil
}

// String names the parts: "part-0.npy to part-7.npy".
func (j Job) String() string {
	if len(j.Files) == 1 {
		return j.Files[0]
	}
	return j.Files[0] + " to " + j.Files[len(j.Files)-1]
}

// expand replaces patterns by the files that match them. A file whose name looks like a pattern is itself.
func expand(paths []string) ([]string, error) {
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
