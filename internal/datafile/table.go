package datafile

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/training/data"
)

// Rows are the rows of a file that a model of a table is asked about.
type Rows struct {
	Table *data.Table
	X     []float32 // a number for each column of the model; 0 where the file has no value
	Known []bool    // whether the file has the value
	At    []int     // for each column of the model, its column in the file, or -1 if the file does not have it

	gaps  bool  // they are to be filled, so other values of a constant do no harm
	other []int // the indices in X of constants for which the file has another value
}

// ReadTable reads a file of rows for a model with the given columns, which it finds by their names. An array, which has
// no names, has the model's columns in their order if it has as many, with the numbers of the API. The error names the
// file as what calls it, such as "--in gaps.csv", and the place. It writes to warn what a file is taken for.
func ReadTable(what, path string, decimalComma bool, columns []client.Column, warn io.Writer) (Rows, error) {
	in, err := Open(path)
	if err != nil {
		return Rows{}, err
	}
	return in.Rows(what, decimalComma, columns, warn)
}

// ReadGaps is [ReadTable] of a file whose gaps are to be filled, and which is then to be written with all that it has.
// Where the file has another value of a constant, X has the constant.
func ReadGaps(path string, decimalComma bool, columns []client.Column, warn io.Writer) (Rows, error) {
	in, err := Open(path)
	if err != nil {
		return Rows{}, err
	}
	t, err := in.table(data.TextForm{DecimalComma: decimalComma, Whole: true})
	if err != nil {
		return Rows{}, err
	}
	return in.rows(path, Rows{Table: t, gaps: true}, columns, warn)
}

// Rows is [ReadTable] of a file that is open.
func (in Input) Rows(what string, decimalComma bool, columns []client.Column, warn io.Writer) (Rows, error) {
	t, err := in.table(data.TextForm{DecimalComma: decimalComma})
	if err != nil {
		return Rows{}, err
	}
	return in.rows(what, Rows{Table: t}, columns, warn)
}

// rows finds the columns in the table of r and reads their values.
func (in Input) rows(what string, r Rows, columns []client.Column, warn io.Writer) (Rows, error) {
	for _, note := range r.Table.Notes {
		fmt.Fprintf(warn, "langevin: %s: %s\n", in.name, note)
	}
	if err := r.find(columns); err != nil {
		return Rows{}, fmt.Errorf("%s %w", what, err)
	}
	for i := range r.Table.Rows {
		for j, column := range columns {
			v, known, err := r.value(i, j, column)
			if err != nil && r.gaps && column.Kind == client.ColumnConstant {
				r.other, v, err = append(r.other, len(r.X)), constant(column), nil
			}
			if err != nil {
				return Rows{}, fmt.Errorf("%s: %s is %w", what, r.Table.Place(i, column.Name), err)
			}
			r.X, r.Known = append(r.X, v), append(r.Known, known)
		}
	}
	return r, nil
}

// find sets where the columns of the model are.
func (r *Rows) find(columns []client.Column) error {
	t := r.Table
	if t.Array && len(t.Columns) == len(columns) {
		for j, column := range columns {
			t.Columns[j].Name = column.Name
		}
	}
	for _, column := range columns {
		at := slices.IndexFunc(t.Columns, func(c data.Cells) bool { return c.Name == column.Name })
		r.At = append(r.At, at)
		if at >= 0 && t.Columns[at].Unfit != nil {
			return fmt.Errorf("has %w", t.Columns[at].Unfit)
		}
	}
	switch {
	case slices.Max(r.At) >= 0:
		return nil
	case t.Array:
		return fmt.Errorf("has %d columns without names: want %d, for %s", len(t.Columns), len(columns), names(columns))
	}
	return fmt.Errorf("has none of the columns of the model: want %s", names(columns))
}

// value returns a value of the model's column j in row i, and whether the file has it.
func (r Rows) value(i, j int, column client.Column) (v float32, known bool, err error) {
	if r.At[j] < 0 || r.Table.Columns[r.At[j]].Missing(i) {
		return 0, false, nil
	}
	cells := &r.Table.Columns[r.At[j]]
	if n := len(column.Words); n > 0 && r.Table.Array {
		k := cells.Numbers[i]
		if k != math.Trunc(k) || k < 0 || k >= float64(n) {
			return 0, true, fmt.Errorf("%g: want 0 to %d, the index of one of its words", k, n-1)
		}
		return float32(k), true, nil
	}
	v, err = column.Parse(cells.Text(i))
	return v, true, err
}

// constant returns the value of a constant.
func constant(c client.Column) float32 {
	if len(c.Values) > 0 {
		return float32(c.Values[0])
	}
	return 0 // the index of its word
}

// Text returns what a table has in a place of X whose value is known: the text of the file, or of an array, which has
// no words, that of the column.
func (r Rows) Text(at int, columns []client.Column) string {
	j := at % len(columns)
	if r.Table.Array && !slices.Contains(r.other, at) {
		return columns[j].Text(r.X[at])
	}
	return r.Table.Columns[r.At[j]].Original(at / len(columns))
}

// names lists the names of columns.
func names(columns []client.Column) string {
	const most = 20
	var quoted []string
	for _, c := range columns[:min(most, len(columns))] {
		quoted = append(quoted, strconv.Quote(c.Name))
	}
	if more := len(columns) - most; more > 0 {
		quoted = append(quoted, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(quoted, ", ")
}

// Outside says in a line how many values are outside of the range of the model's data, or are not its constant, and
// names the first; empty if none is.
func (r Rows) Outside(columns []client.Column) (line string) {
	count, other := 0, r.other
	for at, x := range r.X {
		c := columns[at%len(columns)]
		isOther := len(other) > 0 && other[0] == at
		if isOther {
			other = other[1:]
		} else if !r.Known[at] || c.Low >= c.High || x >= float32(c.Low) && x <= float32(c.High) {
			continue
		}
		if count++; count > 1 {
			continue
		}
		has := c.Text(float32(c.Low)) + " to " + c.Text(float32(c.High))
		if isOther {
			has = c.Text(x)
		}
		line = fmt.Sprintf("%s is %s, and the data of the model have %s", r.Table.Place(at/len(columns), c.Name),
			r.Text(at, columns), has)
	}
	switch {
	case count == 2:
		line += "; another value is outside of what the model knows"
	case count > 2:
		line += fmt.Sprintf("; %d others are outside of what the model knows", count-1)
	}
	return line
}

// Whole returns an error that names the first value that is missing.
func (r Rows) Whole(what string, columns []client.Column) error {
	at := slices.Index(r.Known, false)
	if at < 0 {
		return nil
	}
	row, column := at/len(columns), columns[at%len(columns)]
	if r.At[at%len(columns)] < 0 {
		return fmt.Errorf("%s has no column %q: want %s", what, column.Name, names(columns))
	}
	return fmt.Errorf("%s: %s is empty: want a value; langevin impute fills it in", what,
		r.Table.Place(row, column.Name))
}
