package datafile

import (
	"fmt"
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
}

// ReadTable reads a file of rows for a model with the given columns, which it finds by their names. The error names
// the file as what calls it, such as "--in gaps.csv", and the place.
func ReadTable(what, path string, decimalComma bool, columns []client.Column) (Rows, error) {
	in, err := Open(path)
	if err != nil {
		return Rows{}, err
	}
	return in.Rows(what, decimalComma, columns)
}

// ReadGaps is [ReadTable] of a file whose gaps are to be filled: rows whose fields are all empty are rows too.
func ReadGaps(path string, decimalComma bool, columns []client.Column) (Rows, error) {
	in, err := Open(path)
	if err != nil {
		return Rows{}, err
	}
	return in.rows(path, data.TextForm{DecimalComma: decimalComma, EmptyRows: true}, columns)
}

// Rows is [ReadTable] of a file that is open.
func (in Input) Rows(what string, decimalComma bool, columns []client.Column) (Rows, error) {
	return in.rows(what, data.TextForm{DecimalComma: decimalComma}, columns)
}

func (in Input) rows(what string, form data.TextForm, columns []client.Column) (Rows, error) {
	t, err := in.table(form)
	if err != nil {
		return Rows{}, err
	}
	r := Rows{Table: t, At: make([]int, len(columns))}
	for j, column := range columns {
		r.At[j] = slices.IndexFunc(t.Columns, func(c data.Cells) bool { return c.Name == column.Name })
	}
	if slices.Max(r.At) < 0 {
		return Rows{}, fmt.Errorf("%s has none of the columns of the model: want %s", what, names(columns))
	}
	for i := range t.Rows {
		for j, column := range columns {
			v, known, err := r.value(i, j, column)
			if err != nil {
				return Rows{}, fmt.Errorf("%s: %s is %w", what, t.Place(i, column.Name), err)
			}
			r.X, r.Known = append(r.X, v), append(r.Known, known)
		}
	}
	return r, nil
}

// value returns a value of the model's column j in row i, and whether the file has it.
func (r Rows) value(i, j int, column client.Column) (v float32, known bool, err error) {
	if r.At[j] < 0 || r.Table.Columns[r.At[j]].Missing(i) {
		return 0, false, nil
	}
	v, err = column.Parse(r.Table.Columns[r.At[j]].Text(i))
	return v, true, err
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

// Outside says in a line how many values are outside of the range of the model's data, and names the first; empty if
// none is.
func (r Rows) Outside(columns []client.Column) (line string) {
	count := 0
	for at, x := range r.X {
		c := columns[at%len(columns)]
		if !r.Known[at] || c.Low >= c.High || x >= float32(c.Low) && x <= float32(c.High) {
			continue
		}
		if count++; count == 1 {
			line = fmt.Sprintf("%s is %s, and the data of the model have %s to %s",
				r.Table.Place(at/len(columns), c.Name), c.Text(x), c.Text(float32(c.Low)), c.Text(float32(c.High)))
		}
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
