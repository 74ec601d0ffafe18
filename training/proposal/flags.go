package proposal

import (
	"fmt"
	"slices"

	"github.com/langevin-ml/langevin/training/data"
)

// FlagError is the error for a flag that does not go with the data.
type FlagError struct{ text string }

func (e *FlagError) Error() string { return e.text }

// found is what data turn out to be, in words for the user.
type found string

const (
	foundTable    found = "a table"
	foundArray    found = "an array of rows"
	foundSeries   found = "an array of series"
	foundBytes    found = "an array of pictures"
	foundPictures found = "an array of pictures of numbers"
	foundFolder   found = "a folder of pictures"
)

// check returns an error if a flag is for other data. Nothing that a user asks for is ignored.
func (r Request) check(is found) error {
	for _, f := range []struct {
		name  string
		given bool
		of    []found
		want  string
	}{
		{"drop", len(r.Drop) > 0, []found{foundTable, foundArray}, "a table"},
		{"decimal-comma", r.DecimalComma, []found{foundTable}, "a table as text"},
		{"size", r.ImageSize > 0, []found{foundFolder}, "a folder of pictures"},
		{"flip", r.Flip, []found{foundFolder, foundBytes}, "pictures in a folder or as bytes"},
		{"as " + string(r.As), r.As == AsTable, []found{foundTable, foundArray}, "an array of numbers [rows, columns]"},
		{"as " + string(r.As), r.As == AsSeries, []found{foundSeries},
			"an array of numbers [series, time] or [series, time, numbers]"},
		{"as " + string(r.As), r.As == AsPictures, []found{foundFolder, foundBytes, foundPictures}, "pictures"},
	} {
		if f.given && !slices.Contains(f.of, is) {
			return &FlagError{fmt.Sprintf("--%s is for %s, and %s is %s", f.name, f.want, r.Path, is)}
		}
	}
	return nil
}

// checkSize returns an error for a size that no network for pictures has.
func (r Request) checkSize() error {
	if r.ImageSize%4 != 0 {
		return &FlagError{fmt.Sprintf("--size is %d: want a multiple of 4", r.ImageSize)}
	}
	return nil
}

// tableKind says what kind of file a table is.
func tableKind(t *data.Table) found {
	if t.Array {
		return foundArray
	}
	return foundTable
}
