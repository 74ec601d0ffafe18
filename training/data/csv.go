package data

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// blanks separate numbers if nothing else does. Any number of blanks separates two fields.
const blanks = ' '

// mostLine is the largest length of a line of text, in bytes.
const mostLine = 16 << 20

// textRows is a text file being read, one row per line. It knows what separates fields, which line has names, and
// which column is an index. What the fields mean, only add knows.
type textRows struct {
	read      int     // number of lines that were read
	line      int     // number of the current line, from 1; of a row of several lines, the first
	first     int     // the line that sets the length of a row; 0 before it
	separator rune    // 0 before it is known
	comma     bool    // a comma is a decimal point, whatever separates
	isWhole   bool    // see TextForm.Whole
	above     []int32 // the lines of rows without values before the first row or the names
	names     []string
	index     bool     // the first column has no name, as pandas' index
	left      int      // number of columns to ignore: pandas' index
	texts     []string // of a whole file, what the fields of the row are with the blanks around them
	rows      int
	width     int
	note      string
	commented []int           // the lines that begin with # and have as many fields as a row
	begun     strings.Builder // the lines of a row whose quotes are open
	quotes    quotes
	add       func(fields []string) error // takes a row of width fields
}

// textTable is a text file of numbers.
type textTable struct {
	textRows
	values []float32
}

// decodeText reads numbers in lines of equal length. Commas, semicolons, tabs or blanks separate them, and quotes
// around them are ignored. If semicolons separate, a comma is a decimal point. decodeText ignores empty lines, lines
// that begin with #, and a first line of names. It also ignores the index of a table that pandas wrote: a first column
// of whole numbers without a name.
func decodeText(r io.Reader) (Array, error) {
	var t textTable
	t.add = t.numbers
	if err := t.readAll(r); err != nil {
		return Array{}, err
	}
	return Array{Shape: []int{t.rows, t.width}, Kind: kindText, Values: t.values,
		Note: strings.Join(t.allNotes(), "; ")}, nil
}

// readAll reads a file to its end. It returns an error for a file without rows.
func (t *textRows) readAll(r io.Reader) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, mostLine)
	lines.Split(splitLines)
	for lines.Scan() {
		if err := t.take(lines.Text()); err != nil {
			return err
		}
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return fmt.Errorf("line %d has more than %d bytes", t.read+1, mostLine)
	case err != nil:
		return err
	case t.quotes.open:
		return t.unmatched()
	case t.rows == 0:
		return errors.New("it has no rows")
	}
	return nil
}

// splitLines is bufio.ScanLines that also accepts a single carriage return, the line end of old Macs.
func splitLines(text []byte, atEnd bool) (advance int, line []byte, err error) {
	end := bytes.IndexAny(text, "\r\n")
	switch {
	case end < 0 && atEnd && len(text) > 0:
		return len(text), text, nil
	case end < 0 || end == len(text)-1 && text[end] == '\r' && !atEnd:
		return 0, nil, nil // wait for more text
	case text[end] == '\r' && end+1 < len(text) && text[end+1] == '\n':
		return end + 2, text[:end], nil
	}
	return end + 1, text[:end], nil
}

// take reads a line, which may begin a row, or go on with one whose field in quotes has a line break.
func (t *textRows) take(line string) error {
	t.read++
	if t.read == 1 {
		line = strings.TrimPrefix(line, "\ufeff") // the byte order mark of Excel
	}
	if !t.quotes.open {
		t.line = t.read
		if t.ignores(line) {
			return nil
		}
		t.quotes = quotes{separator: t.separator}
	}
	if t.quotes.pass(line); t.quotes.open && t.separator != blanks {
		if t.begun.Len()+len(line) > mostLine {
			return t.unmatched()
		}
		t.begun.WriteString(line)
		t.begun.WriteByte('\n')
		return nil
	}
	line, t.quotes.open = t.begun.String()+line, false
	t.begun.Reset()
	return t.whole(line)
}

// ignores reports whether a line is blank or a comment. Tabs are blank, unless they separate empty fields of a row.
func (t *textRows) ignores(line string) bool {
	trimmed := strings.TrimSpace(line)
	switch {
	case trimmed == "":
		return !t.isWhole || t.separator != '\t' || !strings.Contains(line, "\t")
	case trimmed[0] != '#':
		return false
	case !t.looksLikeRow(line):
		return true
	case !t.isWhole:
		t.commented = append(t.commented, t.line)
	}
	return !t.isWhole
}

// looksLikeRow reports whether a line below the first row or the names has as many fields.
func (t *textRows) looksLikeRow(line string) bool {
	if t.first == 0 {
		return false
	}
	fields, err := t.split(line)
	return err == nil && len(fields) == t.width+t.left
}

// allNotes returns lines that tell the user how the file was read.
func (t *textRows) allNotes() (notes []string) {
	if t.note != "" {
		notes = append(notes, t.note)
	}
	switch n := len(t.commented); {
	case n == 1:
		notes = append(notes, fmt.Sprintf("line %d begins with # and has as many fields as a row: passed over as a "+
			"comment", t.commented[0]))
	case n > 1:
		notes = append(notes, fmt.Sprintf("%d lines begin with # and have as many fields as a row, the first is line "+
			"%d: passed over as comments", n, t.commented[0]))
	}
	return notes
}

func (t *textRows) unmatched() error {
	return fmt.Errorf("line %d has quotes that do not match", t.line)
}

// whole reads a row that is complete.
func (t *textRows) whole(line string) error {
	if t.separator == 0 {
		if rest, ok := strings.CutPrefix(line, "sep="); ok && len(rest) == 1 { // Excel writes this line
			t.separator = rune(rest[0])
			return nil
		}
		t.separator = separatorOf(line, t.comma)
	}
	fields, err := t.split(line)
	if err == nil && !utf8.ValidString(line) {
		err = t.notUTF8(fields)
	}
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(fields, func(f string) bool { return f != "" }) {
		return t.empty()
	}
	if t.first == 0 {
		t.first, t.width = t.line, len(fields)
		if t.isHeader(fields) {
			t.header(fields)
			return nil
		}
		if consecutive(fields) || fields[0] == "" && consecutive(fields[1:]) {
			t.note = fmt.Sprintf("line %d, %s, is taken for numbers, not for the names of columns",
				t.line, strings.TrimSpace(line))
		}
	}
	return t.row(fields)
}

// empty reads a row whose fields are all empty. Excel also writes such rows around a table, with any number of fields.
func (t *textRows) empty() error {
	switch {
	case !t.isWhole:
		return nil
	case t.first == 0:
		t.above = append(t.above, int32(t.line))
		return nil
	}
	if len(t.texts) != t.width {
		t.texts = make([]string, t.width)
	}
	return t.append(make([]string, t.width))
}

// notUTF8 returns the error for a row with other bytes than those of UTF-8.
func (t *textRows) notUTF8(fields []string) error {
	i := slices.IndexFunc(fields, func(f string) bool { return !utf8.ValidString(f) })
	return fmt.Errorf("line %d, column %d is %q, which is not UTF-8: save the file as UTF-8, as "+
		"pandas.read_csv(FILE, encoding=%q).to_csv(OTHER, index=False) does for Latin-1", t.line, i+1, cut(fields[i]),
		"latin-1")
}

// quotes follows the quotes around fields from line to line.
type quotes struct {
	separator rune // 0 if it is not known
	open      bool // a field goes on in the next line
}

// pass follows a line to its end. A quote opens a field at its beginning only, behind blanks; two quotes in a field are
// one of its text.
func (q *quotes) pass(line string) {
	if strings.IndexByte(line, '"') < 0 {
		return
	}
	start, closed := !q.open, false // at the beginning of a field; behind its last quote
	for _, c := range line {
		switch {
		case c == '"' && (q.open || start || closed):
			q.open, start, closed = !q.open, false, q.open
		case q.open:
		case c == q.separator, q.separator == 0 && strings.ContainsRune(";\t,", c):
			start, closed = true, false
		case c != ' ':
			start, closed = false, false
		}
	}
}

// separatorOf returns the separator of the fields in a line. It ignores text in quotes. If a comma is a decimal point,
// one in a line of numbers without quotes separates nothing.
func separatorOf(line string, decimalComma bool) rune {
	outside := strings.Split(line, `"`)
	separators := []rune{';', '\t', ','}
	if decimalComma && len(outside) == 1 && strings.ContainsAny(line, "0123456789") {
		separators = separators[:2]
	}
	for _, separator := range separators {
		for i := 0; i < len(outside); i += 2 {
			if strings.ContainsRune(outside[i], separator) {
				return separator
			}
		}
	}
	return blanks
}

// split returns the fields of a line without blanks and quotes around them.
func (t *textRows) split(line string) ([]string, error) {
	fields, err := t.splitQuotes(line)
	if err != nil {
		return nil, err
	}
	if t.isWhole {
		t.texts = slices.Clone(fields)
	}
	for i, f := range fields {
		fields[i] = strings.TrimSpace(f)
	}
	return fields, nil
}

// splitQuotes returns the fields of a line without quotes around them.
func (t *textRows) splitQuotes(line string) ([]string, error) {
	switch {
	case t.separator == blanks:
		fields := strings.Fields(line)
		for i, f := range fields {
			fields[i] = strings.Trim(f, `"`)
		}
		return fields, nil
	case !strings.Contains(line, `"`):
		return strings.Split(line, string(t.separator)), nil
	}
	for _, trims := range []bool{false, true} { // only quotes at the beginning of a field are quotes
		r := csv.NewReader(strings.NewReader(line))
		r.Comma, r.TrimLeadingSpace = t.separator, trims && t.separator != '\t'
		if fields, err := r.Read(); err == nil {
			return fields, nil
		}
	}
	return nil, t.unmatched()
}

// isHeader reports whether the first line has names, which means that no field is a number. The first field may be
// empty, above an index.
func (t *textRows) isHeader(fields []string) bool {
	if fields[0] == "" && counting(fields[1:]) {
		return true
	}
	return !slices.ContainsFunc(fields, func(f string) bool {
		_, err := strconv.ParseFloat(t.point(f), 64)
		return err == nil || errors.Is(err, strconv.ErrRange)
	})
}

// consecutive reports whether fields are whole numbers, each one more than the one before, such as years, which may be
// names of columns.
func consecutive(fields []string) bool {
	for i := range fields {
		first, _ := strconv.Atoi(fields[0])
		if fields[i] != strconv.Itoa(first+i) {
			return false
		}
	}
	return len(fields) > 1
}

// counting reports whether fields are 0, 1 and so on. pandas gives these names to columns without names.
func counting(fields []string) bool { return consecutive(fields) && fields[0] == "0" }

// decimalComma reports whether a comma in a number is its decimal point.
func (t *textRows) decimalComma() bool { return t.comma || t.separator == ';' }

// point replaces a decimal comma by a point.
func (t *textRows) point(field string) string {
	if t.decimalComma() && strings.Count(field, ",") == 1 && !strings.Contains(field, ".") {
		return strings.Replace(field, ",", ".", 1)
	}
	return field
}

// row passes the fields of a row to add, without those of an index.
func (t *textRows) row(fields []string) error {
	if len(fields) != t.width+t.left {
		return fmt.Errorf("line %d has %s: want %d, as line %d", t.line, numbers(len(fields)), t.width+t.left, t.first)
	}
	for _, field := range fields[:t.left] {
		if _, err := strconv.ParseInt(field, 10, 64); err != nil {
			return fmt.Errorf("line %d, column 1 is %q and has no name: want a name, or pandas' index",
				t.line, field)
		}
	}
	return t.append(fields[t.left:])
}

// append adds a row of width fields.
func (t *textRows) append(fields []string) error {
	if t.rows+1 > mostElements/t.width {
		return fmt.Errorf("it has more than %d numbers", mostElements)
	}
	t.rows++
	return t.add(fields)
}

// numbers adds a row of numbers.
func (t *textTable) numbers(fields []string) error {
	for i, field := range fields {
		v, err := strconv.ParseFloat(t.point(field), 32)
		switch {
		case errors.Is(err, strconv.ErrRange):
			return t.outOfRange(i, field)
		case field == "":
			return fmt.Errorf("%s is empty: want a number", t.place(i))
		case err != nil:
			return fmt.Errorf("%s is %q: want a number", t.place(i), field)
		case v-v != 0:
			return unfit(t.place(i), v)
		}
		t.values = append(t.values, float32(v))
	}
	return nil
}

// outOfRange returns the error for a number of column i that is too large.
func (t *textRows) outOfRange(i int, field string) error {
	return fmt.Errorf("%s is %s, which does not fit float32: want at most %.2g in size", t.place(i), field,
		math.MaxFloat32)
}

// header stores the names of the columns.
func (t *textRows) header(names []string) {
	t.names = names
	if t.index = names[0] == "" && len(names) > 1; t.index && !t.isWhole {
		t.left, t.width = 1, len(names)-1
		t.note = "column 1, of whole numbers under no name, is taken for pandas' index and left out"
	}
}

func numbers(n int) string {
	if n == 1 {
		return "1 number"
	}
	return fmt.Sprintf("%d numbers", n)
}

// place describes where column i of the values is.
func (t *textRows) place(i int) string {
	i += t.left
	text := fmt.Sprintf("line %d, column %d", t.line, i+1)
	if i < len(t.names) && t.names[i] != "" {
		text += fmt.Sprintf(" (%s)", t.names[i])
	}
	return text
}
