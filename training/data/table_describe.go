package data

import (
	"cmp"
	"fmt"
	"hash/maphash"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/langevin-ml/langevin/models"
)

// Column chooses how a column of a table is read.
type Column struct {
	Name      string            `yaml:"name"`                // in the file, or x1, x2 and so on
	Kind      models.ColumnKind `yaml:"kind"`                // number, integer, category or constant
	Transform ColumnTransform   `yaml:"transform,omitempty"` // of numbers and integers; absent: standard
	Decimals  int               `yaml:"decimals,omitempty"`  // of numbers: samples are rounded to them; absent: not
	Unit      string            `yaml:"unit,omitempty"`      // for people
}

// ColumnTransform maps the numbers of a column to those that a network sees.
type ColumnTransform string

const (
	ColumnStandard ColumnTransform = "standard" // to mean 0 and variance 1
	ColumnQuantile ColumnTransform = "quantile" // to a normal distribution, by their ranks
)

// Limits of what Describe takes for a category.
const (
	mostWords    = 64 // different words
	mostLevels   = 10 // different whole numbers
	leastOfLevel = 10 // rows for each of these, on average
)

// Description is what the columns of a table were taken for.
type Description struct {
	Columns []Column
	Notes   []string // lines for the user: what was left out, and what is conspicuous
}

// Describe chooses how the columns of a table are read, except those that drop names. It leaves out columns that count
// the rows, that are mostly empty, or whose words are almost all different, and notes it.
func (t *Table) Describe(drop ...string) (Description, error) {
	var d Description
	left := slices.Clone(drop)
	for i := range t.Columns {
		name := t.Columns[i].Name
		if at := slices.Index(left, name); at >= 0 {
			left = slices.Delete(left, at, at+1)
			continue
		}
		column, note, err := t.describe(i)
		if err != nil {
			return d, err
		}
		if note != "" {
			d.Notes = append(d.Notes, note)
		}
		if note = t.coarse(i); note != "" && column.Kind != "" {
			d.Notes = append(d.Notes, note)
		}
		if column.Kind != "" {
			d.Columns = append(d.Columns, column)
		}
	}
	if len(left) > 0 {
		return d, fmt.Errorf("it has no column %q: want one of %s", left[0], t.names())
	}
	if len(d.Columns) == 0 {
		return d, fmt.Errorf("all columns are left out: %s", strings.Join(d.Notes, "; "))
	}
	d.Notes = append(d.Notes, t.twins(d.Columns)...)
	return d, nil
}

// names lists the first columns.
func (t *Table) names() string {
	const most = 20
	var names []string
	for i := range min(most, len(t.Columns)) {
		names = append(names, strconv.Quote(t.Columns[i].Name))
	}
	if more := len(t.Columns) - most; more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, ", ")
}

// describe returns how column i is read, without a kind if it is left out.
func (t *Table) describe(i int) (Column, string, error) {
	c := &t.Columns[i]
	column := Column{Name: c.Name}
	numbers, words := c.numbers(), c.wordRows()
	there := len(numbers) + words
	where := fmt.Sprintf("column %d (%s)", i+1, c.Name)
	distinct := distinctOf(numbers)
	switch {
	case 2*there < t.Rows:
		return column, fmt.Sprintf("%s is empty in %d of %d rows: left out", where, t.Rows-there, t.Rows), nil
	case words > 0 && c.separated():
		return column, "", t.wrongSeparators(c)
	case words > 0 && len(numbers) > words:
		row := c.firstWord()
		return column, "", fmt.Errorf("%s is %q: want a number, as in %d other rows", t.Place(row, c.Name),
			cut(c.Word(row)), len(numbers))
	case words > 0:
		return t.describeWords(i, where, len(distinct))
	case len(distinct) == 1:
		column.Kind = models.ColumnConstant
		return column, fmt.Sprintf("%s is %g in all rows", where, distinct[0]), nil
	case counts(c.Numbers):
		return column, where + " counts the rows: left out", nil
	}
	whole := !slices.ContainsFunc(distinct, func(v float64) bool { return v != math.Trunc(v) || math.Abs(v) > 1<<24 })
	switch {
	case len(distinct) == 2 || whole && len(distinct) <= mostLevels && there >= leastOfLevel*len(distinct):
		column.Kind = models.ColumnCategory
		return column, "", nil
	case whole:
		column.Kind = models.ColumnInteger
	default:
		column.Kind = models.ColumnNumber
		column.Decimals = decimalsFor(c.decimals)
	}
	column.Transform = transformFor(numbers, len(distinct))
	return column, "", nil
}

// coarse says that float32, which samples are, does not tell the numbers of column i apart; empty if it does.
func (t *Table) coarse(i int) string {
	c := &t.Columns[i]
	numbers, unit, largest, lost := c.numbers(), 1.0, 0.0, c.narrowed
	if slices.ContainsFunc(numbers, func(v float64) bool { return v != math.Trunc(v) }) {
		unit = math.Pow(10, -float64(c.decimals))
	}
	known := unit == 1 || c.decimals <= mostDecimals
	for _, v := range numbers {
		largest, lost = max(largest, math.Abs(v)), lost || math.Abs(v-float64(float32(v))) > unit/2
	}
	if step := stepAt(largest); lost && step > unit && known {
		return fmt.Sprintf("column %d (%s) has numbers of up to %s in size, and there the model has steps of %g: "+
			"subtract the smallest from all for finer ones", i+1, c.Name, textOf(largest, 64), step)
	}
	return ""
}

// stepAt returns the distance of a number's neighbours in float32.
func stepAt(v float64) float64 {
	_, exponent := math.Frexp(v)
	const digits = 24
	return math.Ldexp(1, exponent-digits)
}

// describeWords is describe for a column with words and a number of different numbers.
func (t *Table) describeWords(i int, where string, numbers int) (Column, string, error) {
	c := &t.Columns[i]
	seen, unfit := map[int32]bool{}, -1 // unfit is the first row whose word no model file has room for
	for row, w := range c.word {
		if w == 0 {
			continue
		}
		if seen[w] = true; unfit < 0 && !isLabel(c.Words[w-1]) {
			unfit = row
		}
	}
	column := Column{Name: c.Name, Kind: models.ColumnCategory}
	switch n := len(seen) + numbers; {
	case n == 1 && unfit < 0:
		column.Kind = models.ColumnConstant
		return column, fmt.Sprintf("%s is %q in all rows", where, cut(c.Word(c.firstWord()))), nil
	case 2*n > t.Rows && n > mostLevels:
		return Column{}, fmt.Sprintf("%s has %d different texts in %d rows: left out", where, n, t.Rows), nil
	case n > mostWords:
		return Column{}, fmt.Sprintf("%s has %d different texts, and a category at most %d: left out", where, n,
			mostWords), nil
	case unfit >= 0:
		return Column{}, fmt.Sprintf("%s is %q, and a category has at most %d printable bytes: column left out",
			t.Place(unfit, c.Name), cut(c.Word(unfit)), mostName), nil
	}
	return column, "", nil
}

// isLabel reports whether a model file has room for a word.
func isLabel(word string) bool {
	unprintable := func(r rune) bool { return !unicode.IsPrint(r) }
	return len(word) <= mostName && !strings.ContainsFunc(word, unprintable)
}

func (c *Cells) numbers() []float64 {
	return slices.DeleteFunc(slices.Clone(c.Numbers), math.IsNaN)
}

func (c *Cells) wordRows() (n int) {
	for _, w := range c.word {
		if w != 0 {
			n++
		}
	}
	return n
}

// firstWord returns the first row with a word.
func (c *Cells) firstWord() int {
	return slices.IndexFunc(c.word, func(w int32) bool { return w != 0 })
}

// cut shortens a text for a message.
func cut(text string) string {
	const most = 40
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "..."
}

// distinctOf returns the different numbers, ascending.
func distinctOf(numbers []float64) []float64 {
	return slices.Compact(slices.Sorted(slices.Values(numbers)))
}

// counts reports whether numbers are consecutive, like the index of the rows.
func counts(numbers []float64) bool {
	for i, v := range numbers {
		if v != numbers[0]+float64(i) || v != math.Trunc(v) {
			return false
		}
	}
	return len(numbers) >= 10
}

// mostDecimals is the most decimals to which samples are rounded.
const mostDecimals = 4

// decimalsFor returns the decimals to which samples are rounded, 0 for none. The texts of the file decide, and not the
// numbers: people see that 41318.926 is no price, however small the rounding is beside the spread of the column.
func decimalsFor(decimals int) int {
	if decimals > mostDecimals {
		return 0
	}
	return decimals
}

// transformFor chooses quantiles for numbers that are far from normal: skewed, with heavy tails, or with many rows at
// one number.
func transformFor(numbers []float64, distinct int) ColumnTransform {
	const skewed, heavy, often = 1, 3, 0.2
	mean, std := moments(numbers)
	var third, fourth float64
	for _, v := range numbers {
		d := (v - mean) / std
		third += d * d * d / float64(len(numbers))
		fourth += d * d * d * d / float64(len(numbers))
	}
	if math.Abs(third) > skewed || fourth-3 > heavy || mostFrequent(numbers) > often && distinct > mostLevels {
		return ColumnQuantile
	}
	return ColumnStandard
}

// mostFrequent returns the share of the most frequent number.
func mostFrequent(numbers []float64) float64 {
	most, run := 0, 0
	sorted := slices.Sorted(slices.Values(numbers))
	for i, v := range sorted {
		if i == 0 || v != sorted[i-1] {
			run = 0
		}
		run++
		most = max(most, run)
	}
	return float64(most) / float64(len(numbers))
}

// moments returns the mean and the standard deviation.
func moments(numbers []float64) (mean, std float64) {
	for _, v := range numbers {
		mean += v / float64(len(numbers))
	}
	for _, v := range numbers {
		std += (v - mean) * (v - mean) / float64(len(numbers))
	}
	return mean, math.Sqrt(std)
}

// twins notes columns that are equal in all rows, and rows that are equal in all columns.
func (t *Table) twins(columns []Column) (notes []string) {
	cells, err := t.pick(columns)
	if err != nil {
		return nil // cannot happen: the columns are those of the table
	}
	first, seed := map[uint64]string{}, maphash.MakeSeed()
	for j, column := range columns {
		var content maphash.Hash
		content.SetSeed(seed)
		for i := range t.Rows {
			cells[j].hash(&content, i)
		}
		sum := content.Sum64()
		if twin := first[sum]; twin != "" && column.Kind != models.ColumnConstant {
			notes = append(notes, fmt.Sprintf("columns %q and %q are equal in all rows", twin, column.Name))
		}
		first[sum] = cmp.Or(first[sum], column.Name)
	}
	repeated, seen := 0, make(map[uint64]bool, t.Rows)
	for i := range t.Rows {
		var content maphash.Hash
		content.SetSeed(seed)
		for _, c := range cells {
			c.hash(&content, i)
		}
		if seen[content.Sum64()] {
			repeated++
		}
		seen[content.Sum64()] = true
	}
	if repeated > 0 {
		are := "are"
		if repeated == 1 {
			are = "is"
		}
		notes = append(notes, fmt.Sprintf("%d of %d rows %s equal to an earlier one", repeated, t.Rows, are))
	}
	return notes
}

// hash adds the value of a row to a hash.
func (c *Cells) hash(h *maphash.Hash, row int) {
	maphash.WriteComparable(h, math.Float64bits(c.Numbers[row]))
	h.WriteString(c.Word(row))
}

// pick returns the cells of columns, in their order.
func (t *Table) pick(columns []Column) ([]*Cells, error) {
	var cells []*Cells
	for _, column := range columns {
		i := slices.IndexFunc(t.Columns, func(c Cells) bool { return c.Name == column.Name })
		if i < 0 {
			return nil, fmt.Errorf("it has no column %q: want one of %s", column.Name, t.names())
		}
		cells = append(cells, &t.Columns[i])
	}
	return cells, nil
}
