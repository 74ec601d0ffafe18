package data

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sort"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/training/settings"
)

// LeastRows is the least number of rows of a table. Every tenth one belongs to the test part.
const LeastRows = 10

// Tabular is a [Source] of the rows of a table. Its samples are what a network sees of them.
type Tabular interface {
	Source

	// Columns describes the rows as users see them.
	Columns() models.Columns

	// Rows returns the rows of the source as users see them, one after the other. The caller must not change them.
	Rows() []float32
}

// tableKind is the kind of tables with columns.
type tableKind struct{}

func (tableKind) keys(string) []string { return []string{"dir", "columns", "decimal_comma"} }

func (tableKind) check(c Config, bad *settings.Mistakes) {
	bad.Require(c.Dir != "", "data.dir is empty: want the path of a .csv, .npy or .npz file")
	bad.Require(len(c.Columns) > 0 && len(c.Columns) <= MostColumns, "data.columns has %d elements: want 1 to %d",
		len(c.Columns), MostColumns)
	seen := map[string]bool{}
	for i, column := range c.Columns {
		at := fmt.Sprintf("data.columns[%d]", i)
		bad.Require(!seen[column.Name], "%s.name is %q, like another: want different names", at, column.Name)
		seen[column.Name] = true
		kinds := []models.ColumnKind{
			models.ColumnNumber, models.ColumnInteger, models.ColumnCategory, models.ColumnConstant,
		}
		bad.Require(slices.Contains(kinds, column.Kind), "%s.kind is %q: want one of %q", at, column.Kind, kinds)
		transforms := []ColumnTransform{"", ColumnStandard, ColumnQuantile}
		bad.Require(slices.Contains(transforms, column.Transform), "%s.transform is %q: want one of %q", at,
			column.Transform, transforms[1:])
		number := column.Kind == models.ColumnNumber || column.Kind == models.ColumnInteger
		bad.Require(number || column.Transform == "", "%s.transform is %q: want none for a %s", at, column.Transform,
			column.Kind)
		rounds := column.Kind == models.ColumnNumber && column.Decimals > 0 && column.Decimals <= 9
		bad.Require(column.Decimals == 0 || rounds, "%s.decimals is %d: want 1 to 9 for a number, and none for others",
			at, column.Decimals)
	}
}

func (tableKind) describe(c Config) string {
	return fmt.Sprintf("%s of %d columns", Tables, len(c.Columns))
}

func (tableKind) open(r Reader, c Config, split Split, seed uint64) (Source, error) {
	t, err := ReadTable(c.Dir, TextForm{DecimalComma: c.DecimalComma})
	if err != nil {
		return nil, atDir(err)
	}
	for _, note := range t.Notes {
		r.notice(c.Dir, note)
	}
	s, note, err := t.source(c, split, seed)
	r.notice(c.Dir, note)
	if err != nil {
		return nil, atDir(fmt.Errorf("read %s: %w", c.Dir, err))
	}
	return s, nil
}

// source returns the rows of a part of a table. The transforms are those of the rows for training.
func (t *Table) source(c Config, split Split, seed uint64) (_ Source, note string, err error) {
	s := &tableRows{name: c.String(), order: deal{seed: seed}, seed: seed}
	all, err := t.pick(c.Columns)
	if err != nil {
		return nil, "", err
	}
	rows, note := t.complete(all)
	if len(rows) < LeastRows {
		has := plural(len(rows), "row")
		if len(rows) < t.Rows {
			has += " without empty places"
		}
		return nil, note, fmt.Errorf("it has %s: want at least %d", has, LeastRows)
	}
	for j, column := range c.Columns {
		fitted, err := t.fit(column, all[j], rows)
		if err != nil {
			return nil, note, err
		}
		s.columns = append(s.columns, fitted)
	}
	if err := s.columns.Validate(); err != nil {
		return nil, note, err
	}
	for i, row := range rows {
		if inPart(i, split) {
			for j, cells := range all {
				s.rows = append(s.rows, cells.value(row, s.columns[j]))
			}
		}
	}
	return s, note, nil
}

// inPart reports whether row i belongs to a part: every tenth one to the test part.
func inPart(i int, split Split) bool { return (i%10 == 9) == (split == Test) }

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// complete returns the rows that have a value in every column, and a note about the others.
func (t *Table) complete(columns []*Cells) (rows []int, note string) {
	where := ""
	for i := range t.Rows {
		j := slices.IndexFunc(columns, func(c *Cells) bool { return c.Missing(i) })
		if j < 0 {
			rows = append(rows, i)
		} else if where == "" {
			where = t.Place(i, columns[j].Name)
		}
	}
	if n := t.Rows - len(rows); n > 0 {
		note = fmt.Sprintf("%d of %d rows have empty places, the first at %s: left out", n, t.Rows, where)
	}
	return rows, note
}

// fit returns a column with the transform that fits the training part of the given rows.
func (t *Table) fit(c Column, cells *Cells, rows []int) (models.Column, error) {
	fitted := models.Column{Name: c.Name, Kind: c.Kind, Unit: c.Unit, Decimals: c.Decimals}
	if c.Kind == models.ColumnCategory || c.Kind == models.ColumnConstant {
		return fitted, t.fitChoices(&fitted, cells, rows)
	}
	var numbers []float64
	for i, row := range rows {
		switch v := cells.Numbers[row]; {
		case math.IsNaN(v):
			return fitted, fmt.Errorf("%s is %q: want a number", t.Place(row, c.Name), cut(cells.Word(row)))
		case inPart(i, Train):
			numbers = append(numbers, float64(float32(v)))
		}
	}
	slices.Sort(numbers)
	if fitted.Mean, fitted.Std = moments(numbers); fitted.Std == 0 {
		return fitted, fmt.Errorf("column %q is %g in all rows for training: want it of kind %s, or left out", c.Name,
			numbers[0], models.ColumnConstant)
	}
	fitted.Low, fitted.High = numbers[0], numbers[len(numbers)-1]
	if c.Transform == ColumnQuantile {
		fitted.Knots = knots(numbers)
	}
	return fitted, nil
}

// fitChoices sets the values of a category or a constant, which are words if any is one.
func (t *Table) fitChoices(c *models.Column, cells *Cells, rows []int) error {
	var words []string
	var values []float64
	for _, row := range rows {
		if word := cells.Word(row); word != "" {
			words = append(words, word)
		} else {
			values = append(values, float64(float32(cells.Numbers[row])))
		}
	}
	values = distinctOf(values)
	if len(words) == 0 {
		c.Values = values
	} else {
		for _, v := range values {
			words = append(words, number(v))
		}
		slices.Sort(words)
		c.Words = slices.Compact(words)
	}
	if n := c.Choices(); c.Kind == models.ColumnConstant && n != 1 {
		return fmt.Errorf("column %q has %d different values: want one for a %s", c.Name, n, models.ColumnConstant)
	}
	return nil
}

// number returns the text of a number among words.
func number(v float64) string { return textOf(v, 32) }

// value returns a value of a row as users see it: of a category of words, the index of the word.
func (c *Cells) value(row int, column models.Column) float32 {
	if len(column.Words) == 0 {
		return float32(c.Numbers[row])
	}
	word := c.Word(row)
	if word == "" {
		word = number(float64(float32(c.Numbers[row])))
	}
	return float32(sort.SearchStrings(column.Words, word))
}

// knots returns the points of the function that maps numbers, which are sorted, to a normal distribution by their
// ranks. A number that more than one row has gets a jump.
func knots(numbers []float64) [][2]float64 {
	n := float64(len(numbers))
	at := func(rank float64) float64 { return math.Sqrt2 * math.Erfinv(2*rank/n-1) }
	var all [][2]float64
	var often []bool // whether a point is an end of a jump of many rows
	for first := 0; first < len(numbers); {
		last := first
		for last+1 < len(numbers) && numbers[last+1] == numbers[first] {
			last++
		}
		x, many := numbers[first], last-first >= len(numbers)/100
		if first == last {
			all, often = append(all, [2]float64{x, at(float64(first) + 0.5)}), append(often, false)
		} else {
			// Beyond a quarter of a rank from the ends, the function is infinite.
			all = append(all, [2]float64{x, at(float64(first) + 0.25)}, [2]float64{x, at(float64(last) + 0.75)})
			often = append(often, many, many)
		}
		first = last + 1
	}
	return thinned(all, often)
}

// thinned returns the points that must be kept and others, evenly spread, among them the first and the last.
func thinned(all [][2]float64, keep []bool) [][2]float64 {
	const others = 256
	every := max(1, len(all)/others)
	kept := make([][2]float64, 0, len(all)/every+1)
	for i, point := range all {
		if keep[i] || i%every == 0 || i == len(all)-1 {
			kept = append(kept, point)
		}
	}
	return kept
}

// tableRows is a Source of the rows of a table.
type tableRows struct {
	columns models.Columns
	rows    []float32 // as users see them
	name    string
	order   deal
	seed    uint64
}

func (s *tableRows) Name() string            { return s.name }
func (s *tableRows) Shape() []int            { return []int{s.columns.Width()} }
func (s *tableRows) Columns() models.Columns { return s.columns }
func (s *tableRows) Rows() []float32         { return s.rows }

func (s *tableRows) Read(x []float32, first uint64) error {
	width, size := s.columns.Width(), len(s.columns)
	u := make([]float32, size)
	for ; len(x) > 0; x, first = x[width:], first+1 {
		k := s.order.pick(first, len(s.rows)/size)
		sampling.Noise{Seed: s.seed, Chain: first}.Uniform(u, 0)
		s.columns.Encode(x[:width], s.rows[k*size:(k+1)*size], u)
	}
	return nil
}

// ErrNoTable is wrapped by the error for data that are no table: pictures, or arrays with more axes.
var ErrNoTable = errors.New("no table")

// Table opens a part of a table, like [Reader.Open].
func (r Reader) Table(ctx context.Context, c Config, split Split, seed uint64) (Tabular, error) {
	source, err := r.Open(ctx, c, split, seed)
	if err != nil {
		return nil, err
	}
	t, ok := source.(Tabular)
	if !ok {
		return nil, fmt.Errorf("data.name is %q: %w", c.Name, ErrNoTable)
	}
	return t, nil
}
