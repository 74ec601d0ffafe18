package client

import (
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// ColumnKind says what the values of a [Column] are.
type ColumnKind string

// The kinds of columns. A server newer than this client may have others.
const (
	ColumnNumber   ColumnKind = "number"
	ColumnInteger  ColumnKind = "integer"
	ColumnCategory ColumnKind = "category" // one of a few values
	ColumnConstant ColumnKind = "constant" // always the same value
)

// Column describes a column of a model of a table. Requests and answers have a number for each column, in its unit: of
// a category or a constant with words, the index of the word.
type Column struct {
	Name      string
	Kind      ColumnKind
	Unit      string    // for people; mostly empty
	Decimals  int       // to which samples are rounded; 0 if they are not, or for integers
	Words     []string  // of a category or a constant
	Values    []float64 // of a category or a constant without words
	Low, High float64   // the smallest and the largest number of the data, for numbers and integers
	Width     int       // how many numbers the network sees of it; all are 0 from a server that does not say so
}

// Text returns a value as a table shows it: a word, or the shortest number that reads back as the same float32.
func (c Column) Text(v float32) string { return c.wire().TextOf(v) }

// Parse returns the value that the text of a table stands for. The error says what the column wants.
func (c Column) Parse(text string) (float32, error) { return c.wire().ValueOf(text) }

func (c Column) wire() *langevinv1.Column {
	return &langevinv1.Column{
		Name: c.Name, Kind: columnKinds()[c.Kind], Unit: c.Unit, Decimals: int32(c.Decimals), Words: c.Words,
		Values: c.Values, Low: c.Low, High: c.High, Width: int32(c.Width),
	}
}

// stateShape returns the shape of a state for [Resume] of a model whose samples have a shape, and columns if it is one
// of a table. It is the same shape without columns, and with those of a server that does not say how wide they are.
func stateShape(shape []int, columns []Column) []int {
	width := 0
	for _, c := range columns {
		width += c.Width
	}
	if width == 0 {
		return shape
	}
	return []int{width}
}

// TableMessage returns the messages of columns in the API.
func TableMessage(columns []Column) []*langevinv1.Column {
	var all []*langevinv1.Column
	for _, c := range columns {
		all = append(all, c.wire())
	}
	return all
}

func newTable(columns []*langevinv1.Column) []Column {
	var all []Column
	for _, c := range columns {
		all = append(all, Column{
			Name: c.GetName(), Kind: newColumnKind(c.GetKind()), Unit: c.GetUnit(), Decimals: int(c.GetDecimals()),
			Words: c.GetWords(), Values: c.GetValues(), Low: c.GetLow(), High: c.GetHigh(),
			Width: int(c.GetWidth()),
		})
	}
	return all
}

func columnKinds() map[ColumnKind]langevinv1.ColumnKind {
	return map[ColumnKind]langevinv1.ColumnKind{
		ColumnNumber:   langevinv1.ColumnKind_COLUMN_KIND_NUMBER,
		ColumnInteger:  langevinv1.ColumnKind_COLUMN_KIND_INTEGER,
		ColumnCategory: langevinv1.ColumnKind_COLUMN_KIND_CATEGORY,
		ColumnConstant: langevinv1.ColumnKind_COLUMN_KIND_CONSTANT,
	}
}

func newColumnKind(kind langevinv1.ColumnKind) ColumnKind {
	for name, k := range columnKinds() {
		if k == kind {
			return name
		}
	}
	return ColumnKind(kind.String())
}
