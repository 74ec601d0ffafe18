package impute

import (
	"encoding/csv"
	"io"
	"strconv"
)

// write writes the table with what was drawn, as CSV: once for each draw, with the number of the draw in front if there
// are several.
func (f *filling) write(w io.Writer) error {
	out := csv.NewWriter(w)
	if err := out.Write(f.header()); err != nil {
		return err
	}
	for draw := range f.draws {
		for i := range f.rows.Table.Rows {
			if err := out.Write(f.line(draw, i)); err != nil {
				return err
			}
		}
	}
	out.Flush()
	return out.Error()
}

// header returns the names of the columns: those of the file, and then those of the model that the file does not have.
func (f *filling) header() (names []string) {
	if f.draws > 1 {
		names = append(names, "draw")
	}
	for _, c := range f.rows.Table.Columns {
		names = append(names, c.Name)
	}
	for j, c := range f.model.Table {
		if f.rows.At[j] < 0 {
			names = append(names, c.Name)
		}
	}
	return names
}

// line returns row i with the values of a draw in its empty places.
func (f *filling) line(draw, i int) (fields []string) {
	if f.draws > 1 {
		fields = append(fields, strconv.Itoa(draw+1))
	}
	first := len(fields)
	for c := range f.rows.Table.Columns {
		fields = append(fields, f.rows.Table.Columns[c].Text(i))
	}
	_, known := f.row(i)
	for j, c := range f.model.Table {
		if known[j] {
			continue
		}
		text := c.Text(f.drawn[i][draw*len(f.model.Table)+j])
		if at := f.rows.At[j]; at >= 0 {
			fields[first+at] = text
		} else {
			fields = append(fields, text)
		}
	}
	return fields
}
