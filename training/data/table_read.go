package data

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// MostColumns is the largest number of columns of a table.
const MostColumns = 1024

// Table is the content of a file of rows: numbers, words and empty places.
type Table struct {
	Rows    int
	Columns []Cells
	Notes   []string // lines that tell the user how the file was read
	Array   bool     // the file is an array of numbers, which cannot have names
	lines   []int32  // of a text file, the line of each row

	comma bool // of a text file: a comma in a number is its decimal point
	form  TextForm
	index bool // the first column has no name, as pandas' index
}

// Cells are the values of one column of a table. A row has a number, a word, or nothing.
type Cells struct {
	Name    string
	Numbers []float64 // of each row; NaN where there is none
	Words   []string  // the different words, in order of appearance

	// Unfit is why a number is missing that this program has no room for; nil for none. Only those who read a whole
	// file have to look: for others it is the error of reading.
	Unfit error

	texts    []string // of each row of a whole text file, what it has there
	word     []int32  // of each row, the index of its word plus 1; 0 for none; nil without words
	index    map[string]int32
	single   bool // the numbers were read as float32
	narrowed bool // and may have been others in the file
	pointed  bool // whether a number has a decimal point, in a text whose decimal point is a comma
	decimals int  // the most that a number has in a text; unknownDecimals if one has an exponent
}

// unknownDecimals is above the number of decimals that count.
const unknownDecimals = 99

// TextForm says what the text of a table means.
type TextForm struct {
	DecimalComma bool // a comma in a number is its decimal point, whatever separates

	// Whole keeps everything, so that the file can be written again: the texts of all fields; a first column without a
	// name; names and numbers that no model has room for; lines below the names that begin with #, if they have as many
	// fields as a row; and rows whose fields are all empty, but for those above the names. Lines without a separator
	// are no rows either way; the one field of a row is empty if it is "" in quotes.
	Whole bool
}

// ReadTable reads a file of rows. Its content decides its format, as with [ReadArray], but text may have words and
// empty places, and a number of .npy and .npz may be NaN, which is an empty place.
func ReadTable(path string, form TextForm) (*Table, error) {
	file, member := splitMember(path)
	var t *Table
	a, err := readArray(file, member, tableDecoder(&t, form))
	if err == nil && t == nil {
		t, err = tableOf(a)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, withoutPath(err))
	}
	return t, nil
}

// tableDecoder returns the decoder that puts the table of a text file into t.
func tableDecoder(t **Table, form TextForm) decoder {
	return decoder{gaps: true, text: func(r io.Reader) (_ Array, err error) {
		*t, err = decodeTable(r, form)
		return Array{}, err
	}}
}

// DecodeTable is [ReadTable] of an input that can only be read from its beginning to its end, which excludes .npz. name
// is what errors call it.
func DecodeTable(name string, input io.Reader, form TextForm) (*Table, error) {
	var t *Table
	a, err := decodeUnsized(bufio.NewReaderSize(input, 1<<16), tableDecoder(&t, form))
	if err == nil && t == nil {
		t, err = tableOf(a)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, withoutPath(err))
	}
	return t, nil
}

// DecimalComma reports whether the numbers of a text file have commas as their decimal points.
func (t *Table) DecimalComma() bool {
	return t.comma && !slices.ContainsFunc(t.Columns, func(c Cells) bool { return c.pointed })
}

// tableOf returns the rows of an array as a table.
func tableOf(a Array) (*Table, error) {
	if len(a.Shape) != 2 || a.Bytes() {
		return nil, fmt.Errorf("it is %w: it has %s of shape %v, and not numbers as [rows, columns]", ErrNoTable,
			a.Kind, a.Shape)
	}
	rows, width := a.Shape[0], a.Shape[1]
	if width > MostColumns {
		return nil, tooManyColumns(width)
	}
	t := &Table{Rows: rows, Columns: make([]Cells, width), Array: true}
	narrowed := !strings.HasSuffix(a.Kind, "f4") && !strings.HasSuffix(a.Kind, "f2")
	for j := range t.Columns {
		numbers := make([]float64, rows)
		for i := range numbers {
			numbers[i] = float64(a.Values[i*width+j])
		}
		t.Columns[j] = Cells{
			Name: unnamed(j), Numbers: numbers, single: true, narrowed: narrowed, decimals: unknownDecimals,
		}
	}
	return t, nil
}

func tooManyColumns(n int) error {
	return fmt.Errorf("it has %d columns: want at most %d", n, MostColumns)
}

// unnamed returns the name of column i of a file without names.
func unnamed(i int) string { return "x" + strconv.Itoa(i+1) }

// textCells is a text file with words.
type textCells struct {
	textRows
	table Table
	start []string // the first row
}

func decodeTable(r io.Reader, form TextForm) (*Table, error) {
	t := textCells{textRows: textRows{comma: form.DecimalComma, isWhole: form.Whole}, table: Table{form: form}}
	t.add = t.cells
	if err := t.readAll(r); err != nil {
		return nil, err
	}
	t.table.Rows = t.rows
	t.table.Notes, t.table.index = t.allNotes(), t.index && form.Whole
	names := t.textRows.names
	if names == nil && t.table.startsWithNames() {
		names = t.start
		t.table.dropFirst()
	}
	if names == nil {
		t.table.putEmpty(t.above)
	}
	if t.table.Rows == 0 {
		return nil, errors.New("it has no rows")
	}
	t.table.comma = t.decimalComma()
	for i := range t.table.Columns {
		t.table.Columns[i].readGroups(t.table.comma)
	}
	return &t.table, t.table.name(names, t.left)
}

// cells adds a row.
func (t *textCells) cells(fields []string) error {
	if t.table.Columns == nil {
		if t.width > MostColumns {
			return tooManyColumns(t.width)
		}
		t.table.Columns = make([]Cells, t.width)
		t.start = fields
	}
	t.table.lines = append(t.table.lines, int32(t.line))
	for i, field := range fields {
		c := &t.table.Columns[i]
		if t.isWhole {
			c.texts = append(c.texts, t.texts[i])
		}
		if missing(field) {
			c.add(math.NaN(), "")
			continue
		}
		text := t.point(field)
		v, err := strconv.ParseFloat(text, 64)
		if err != nil && !errors.Is(err, strconv.ErrRange) {
			c.add(math.NaN(), field)
			continue
		}
		if err := t.fits(i, field, v); err != nil && !t.isWhole {
			return err
		} else if err != nil {
			c.Unfit = cmp.Or(c.Unfit, err)
			c.add(math.NaN(), "")
			continue
		}
		c.decimals = max(c.decimals, decimalsOf(text))
		c.pointed = c.pointed || t.decimalComma() && strings.Contains(field, ".")
		c.add(v, "")
	}
	return nil
}

// fits returns an error unless a model has room for the number of column i.
func (t *textCells) fits(i int, field string, v float64) error {
	switch named := strings.Contains(strings.ToLower(field), "inf"); { // any other number is infinite as a float64 only
	case named || math.IsNaN(v):
		return unfit(t.place(i), v)
	case math.Abs(v) > math.MaxFloat32:
		return t.outOfRange(i, field)
	}
	return nil
}

// missing reports whether a field stands for a value that is not there, as pandas, R, SQL and spreadsheets write it.
func missing(field string) bool {
	switch field {
	case "", "?", "-", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "-nan", "NULL", "null", "None", "NaT":
		return true
	}
	return false
}

// decimalsOf returns the number of digits behind the point of a number, without zeros at its end.
func decimalsOf(text string) int {
	if strings.ContainsAny(text, "eExXpP") {
		return unknownDecimals
	}
	_, behind, _ := strings.Cut(text, ".")
	return len(strings.TrimRight(behind, "0"))
}

// add adds the value of a row: a word unless it is empty, or else a number.
func (c *Cells) add(number float64, word string) {
	c.Numbers = append(c.Numbers, number)
	if word != "" && c.index == nil {
		c.index, c.word = map[string]int32{}, make([]int32, len(c.Numbers)-1, len(c.Numbers))
	}
	if c.index == nil {
		return
	}
	at := int32(0)
	if word != "" {
		at = c.index[word]
		if at == 0 {
			c.Words = append(c.Words, word)
			at = int32(len(c.Words))
			c.index[word] = at
		}
	}
	c.word = append(c.word, at)
}

// Word returns the word of a row, or the empty string if it has none.
func (c *Cells) Word(row int) string {
	if c.word == nil || c.word[row] == 0 {
		return ""
	}
	return c.Words[c.word[row]-1]
}

// Text returns the word or the number of a row as text; the empty string if it is missing.
func (c *Cells) Text(row int) string {
	if word := c.Word(row); word != "" || math.IsNaN(c.Numbers[row]) {
		return word
	}
	if c.single {
		return number(c.Numbers[row])
	}
	return textOf(c.Numbers[row], 64)
}

// Original returns what a text file has in a row that was read as a whole, without the quotes around it; else it is
// [Cells.Text].
func (c *Cells) Original(row int) string {
	if c.texts == nil {
		return c.Text(row)
	}
	return c.texts[row]
}

// textOf returns the shortest text of a number that has some bits, without an exponent for the sizes of counts and
// prices.
func textOf(v float64, bits int) string {
	const most = 1e15
	format := byte('g')
	if size := math.Abs(v); size >= 1 && size < most {
		format = 'f'
	}
	return strconv.FormatFloat(v, format, -1, bits)
}

// Missing reports whether a row has neither a number nor a word.
func (c *Cells) Missing(row int) bool {
	return math.IsNaN(c.Numbers[row]) && (c.word == nil || c.word[row] == 0)
}

// startsWithNames reports whether the first row has a word above numbers only, and so has the names of the columns.
func (t *Table) startsWithNames() bool {
	for i := range t.Columns {
		c := &t.Columns[i]
		if t.Rows > 1 && len(c.Words) == 1 && c.Word(0) != "" && c.word[0] == 1 && c.alone(0) {
			return true
		}
	}
	return false
}

// alone reports whether only one row has a word, and another a number.
func (c *Cells) alone(row int) bool {
	numbers := 0
	for i := range c.Numbers {
		if i != row && c.word[i] != 0 {
			return false
		}
		if !math.IsNaN(c.Numbers[i]) {
			numbers++
		}
	}
	return numbers > 0
}

// dropFirst removes the first row.
func (t *Table) dropFirst() {
	t.Rows--
	t.lines = t.lines[1:]
	for i := range t.Columns {
		c := &t.Columns[i]
		c.Numbers = c.Numbers[1:]
		if c.texts != nil {
			c.texts = c.texts[1:]
		}
		if c.word == nil {
			continue
		}
		c.word = c.word[1:]
		if len(c.Words) == 1 { // the name
			c.word, c.Words, c.index = nil, nil, nil
		}
	}
}

// putEmpty puts rows without values before the others. lines has the line of each.
func (t *Table) putEmpty(lines []int32) {
	t.Rows += len(lines)
	t.lines = slices.Concat(lines, t.lines)
	for i := range t.Columns {
		c := &t.Columns[i]
		c.Numbers = slices.Concat(slices.Repeat([]float64{math.NaN()}, len(lines)), c.Numbers)
		if c.word != nil {
			c.word = slices.Concat(make([]int32, len(lines)), c.word)
		}
		if c.texts != nil {
			c.texts = slices.Concat(make([]string, len(lines)), c.texts)
		}
	}
}

// name gives the columns the names of a line, which has left fields before them, or x1, x2 and so on. A name that is
// given twice is numbered. A line break in a name, which spreadsheets have in narrow columns, becomes a blank.
func (t *Table) name(names []string, left int) error {
	if len(names) > left {
		names = names[left:]
	}
	taken := map[string]bool{}
	for i := range t.Columns {
		if i == 0 && t.index {
			continue
		}
		name := unnamed(i)
		if i < len(names) && names[i] != "" {
			name = strings.ReplaceAll(names[i], "\n", " ")
		}
		unique := name
		for n := 2; taken[unique]; n++ {
			unique = fmt.Sprintf("%s_%d", name, n)
		}
		if unique != name {
			t.Notes = append(t.Notes,
				fmt.Sprintf("two columns are named %q: column %d is called %q", name, i+1, unique))
		}
		if len(unique) > mostName && !t.form.Whole {
			return fmt.Errorf("the name of column %d has %d bytes: want at most %d", i+1, len(unique), mostName)
		}
		taken[unique], t.Columns[i].Name = true, unique
	}
	return nil
}

// mostName is the most bytes of a name or a word in a model file.
const mostName = 64

// Place describes where a value of the column with a name is: "line 3, column 2 (x)".
func (t *Table) Place(row int, column string) string {
	where := fmt.Sprintf("row %d", row+1)
	if t.lines != nil {
		where = fmt.Sprintf("line %d", t.lines[row])
	}
	at := slices.IndexFunc(t.Columns, func(c Cells) bool { return c.Name == column })
	return fmt.Sprintf("%s, column %d (%s)", where, at+1, column)
}
