package impute

import (
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/langevin-ml/langevin/client"
)

// drawName is the name of the column with the number of the draw, if no other has it.
const drawName = "draw"

// write writes the table with what was drawn, as CSV: once for each draw, with the number of the draw in front if there
// are several. If the file has decimal commas, so has what is written, and semicolons separate.
func (f *filling) write(w io.Writer) error {
	out := csv.NewWriter(w)
	if f.comma {
		out.Comma = ';'
	}
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

// header returns the first line.
func (f *filling) header() []string {
	names := f.names()
	if f.draws > 1 {
		names = slices.Insert(names, 0, f.drawName())
	}
	return names
}

// names returns the names of the columns: those of the file, and then those of the model that the file does not have.
func (f *filling) names() (names []string) {
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

// drawName returns the name of the column with the number of the draw, which is none that another column has.
func (f *filling) drawName() string {
	name, taken := drawName, f.names()
	for n := 2; slices.Contains(taken, name); n++ {
		name = fmt.Sprintf("%s_%d", drawName, n)
	}
	return name
}

// text returns a value of a column as the file would have it.
func (f *filling) text(c client.Column, v float32) string {
	text := c.Text(v)
	if f.comma && len(c.Words) == 0 {
		return strings.Replace(text, ".", ",", 1)
	}
	return text
}

// line returns row i with the values of a draw in its empty places.
func (f *filling) line(draw, i int) (fields []string) {
	if f.draws > 1 {
		fields = append(fields, strconv.Itoa(draw+1))
	}
	first := len(fields)
	for c := range f.rows.Table.Columns {
		fields = append(fields, f.rows.Table.Columns[c].Original(i))
	}
	_, known := f.row(i)
	for j, c := range f.model.Table {
		if known[j] {
			fields[first+f.rows.At[j]] = f.rows.Text(i*len(known)+j, f.model.Table)
			continue
		}
		text := f.text(c, f.drawn[i][draw*len(known)+j])
		if at := f.rows.At[j]; at >= 0 {
			fields[first+at] = text
		} else {
			fields = append(fields, text)
		}
	}
	return fields
}
