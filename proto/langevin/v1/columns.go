package langevinv1

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// TextOf returns a value of a column as a table shows it: a word, or the shortest number that reads back as the same
// float32, without an exponent for the sizes of counts and prices.
func (x *Column) TextOf(v float32) string {
	if words := x.GetWords(); len(words) > 0 && v >= 0 && int(v) < len(words) {
		return words[int(v)]
	}
	const most = 1e15
	format := byte('g')
	if size := math.Abs(float64(v)); size >= 1 && size < most {
		format = 'f'
	}
	return strconv.FormatFloat(float64(v), format, -1, 32)
}

// ValueOf returns the value that the text of a table stands for. The case of a word may differ if only one word is like
// it: pandas writes True for true. The error says what the column wants.
func (x *Column) ValueOf(text string) (float32, error) {
	if words := x.GetWords(); len(words) > 0 {
		if k := wordIndex(words, text); k >= 0 {
			return float32(k), nil
		}
		return 0, fmt.Errorf("%q: want %s", text, x.wanted())
	}
	v, err := strconv.ParseFloat(text, 32)
	if err != nil {
		return 0, fmt.Errorf("%q: want a number", text)
	}
	is := func(one float64) bool { return float32(one) == float32(v) }
	chosen := x.GetKind() == ColumnKind_COLUMN_KIND_CATEGORY || x.GetKind() == ColumnKind_COLUMN_KIND_CONSTANT
	if chosen && !slices.ContainsFunc(x.GetValues(), is) {
		return 0, fmt.Errorf("%s: want %s", text, x.wanted())
	}
	return float32(v), nil
}

// wordIndex returns the index of a word, or of the only one that differs from it in its case; -1 for none.
func wordIndex(words []string, text string) int {
	if k := slices.Index(words, text); k >= 0 {
		return k
	}
	alike := func(word string) bool { return strings.EqualFold(word, text) }
	k := slices.IndexFunc(words, alike)
	if k >= 0 && slices.ContainsFunc(words[k+1:], alike) {
		return -1
	}
	return k
}

// wanted lists the first values of a category or a constant.
func (x *Column) wanted() string {
	const most = 20
	texts := make([]string, 0, most)
	for _, word := range x.GetWords() {
		texts = append(texts, strconv.Quote(word))
	}
	for _, v := range x.GetValues() {
		texts = append(texts, x.TextOf(float32(v)))
	}
	if more := len(texts) - most; more > 0 {
		return fmt.Sprintf("%s or one of %d more", strings.Join(texts[:most], ", "), more)
	}
	return strings.Join(texts, " or ")
}

// AppendCSV appends the header of a table, without a line end.
func AppendCSV(b []byte, columns []*Column) []byte {
	for i, c := range columns {
		b = appendField(b, i, c.GetName())
	}
	return b
}

// AppendCSVRow appends a row of a table, without a line end.
func AppendCSVRow(b []byte, columns []*Column, row []float32) []byte {
	for i, c := range columns {
		b = appendField(b, i, c.TextOf(row[i]))
	}
	return b
}

// appendField appends field i of a line, in quotes if it needs them.
func appendField(b []byte, i int, text string) []byte {
	if i > 0 {
		b = append(b, ',')
	}
	if text != "" && !strings.ContainsAny(text, "\",;\t\r\n#") && text == strings.TrimSpace(text) {
		return append(b, text...)
	}
	return append(append(append(b, '"'), strings.ReplaceAll(text, `"`, `""`)...), '"')
}
