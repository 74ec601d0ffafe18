package models

import (
	"fmt"
	"slices"
	"strings"
)

// mostKnots bounds the knots of a column, and maxColumnText the bytes of all names and words, which answers of servers
// contain.
const (
	mostKnots     = 1024
	maxColumnText = 1 << 20
)

// checkColumns adds the mistakes in the columns of a manifest.
func (bad *mistakes) checkColumns(m Manifest) {
	if m.Columns == nil {
		return
	}
	if err := m.Columns.Validate(); err != nil {
		bad.add("%v", err)
		return
	}
	if width := m.Columns.Width(); len(m.Shape) != 1 || m.Shape[0] != width {
		bad.add("shape is %v: want [%d], the numbers of the columns", m.Shape, width)
	}
}

// Validate returns an error of one line that names the first column with a mistake.
func (c Columns) Validate() error {
	if len(c) == 0 || len(c) > MaxColumns {
		return fmt.Errorf("columns has %d elements: want 1 to %d", len(c), MaxColumns)
	}
	bytes, seen := 0, make(map[string]bool, len(c))
	for i, column := range c {
		at := fmt.Sprintf("columns[%d]", i)
		bytes += len(column.Name) + len(column.Unit) + len(strings.Join(column.Words, ""))
		switch {
		case !validConditionName(column.Name):
			return fmt.Errorf("%s.name is %q: want 1 to %d bytes of printable text, no space at its ends", at,
				brief(column.Name), maxConditionName)
		case seen[column.Name]:
			return fmt.Errorf("%s.name is %q, like another: want different names", at, column.Name)
		case column.Unit != "" && !validConditionName(column.Unit):
			return fmt.Errorf("%s.unit is %q: want at most %d bytes of printable text, no space at its ends", at,
				brief(column.Unit), maxConditionName)
		}
		seen[column.Name] = true
		if err := column.validate(at); err != nil {
			return err
		}
	}
	if bytes > maxColumnText {
		return fmt.Errorf("columns have %d bytes of names and words: want at most %d in all", bytes, maxColumnText)
	}
	if c.Width() == 0 {
		return fmt.Errorf("columns are all constant: want one that a network can learn")
	}
	return nil
}

func (c Column) validate(at string) error {
	switch c.Kind {
	case ColumnNumber, ColumnInteger:
		return c.validateNumber(at)
	case ColumnCategory, ColumnConstant:
		return c.validateChoices(at)
	}
	return fmt.Errorf("%s.kind is %q: want %q, %q, %q or %q", at, c.Kind, ColumnNumber, ColumnInteger, ColumnCategory,
		ColumnConstant)
}

func (c Column) validateNumber(at string) error {
	const mostDecimals = 9
	switch {
	case c.Choices() > 0:
		return fmt.Errorf("%s has words or values: want none for a %s", at, c.Kind)
	case c.Decimals < 0 || c.Decimals > mostDecimals || c.Kind == ColumnInteger && c.Decimals > 0:
		return fmt.Errorf("%s.decimals is %d: want 0 to %d, and 0 for an integer", at, c.Decimals, mostDecimals)
	case !finite(c.Mean) || !finite(c.Std) || c.Std <= 0:
		return fmt.Errorf("%s has mean %g and std %g: want finite numbers, and std above 0", at, c.Mean, c.Std)
	case !finite(c.Low) || !finite(c.High) || c.Low > c.High:
		return fmt.Errorf("%s is from %g to %g: want finite bounds, low not above high", at, c.Low, c.High)
	case len(c.Knots) == 1 || len(c.Knots) > mostKnots:
		return fmt.Errorf("%s.knots has %d points: want none, or 2 to %d", at, len(c.Knots), mostKnots)
	}
	for i, k := range c.Knots {
		if !finite(k[0]) || !finite(k[1]) || i > 0 && (k[0] < c.Knots[i-1][0] || k[1] <= c.Knots[i-1][1]) {
			return fmt.Errorf("%s.knots[%d] is %v: want finite numbers, ascending", at, i, k)
		}
	}
	if n := len(c.Knots); n > 0 && (c.Knots[0][0] != c.Low || c.Knots[n-1][0] != c.High || c.Low == c.High) {
		return fmt.Errorf("%s.knots go from %g to %g: want %g to %g", at, c.Knots[0][0], c.Knots[n-1][0], c.Low, c.High)
	}
	return nil
}

func (c Column) validateChoices(at string) error {
	least, most := 2, MaxCategories
	if c.Kind == ColumnConstant {
		least, most = 1, 1
	}
	switch {
	case len(c.Words) > 0 && len(c.Values) > 0:
		return fmt.Errorf("%s has words and values: want one of the two", at)
	case c.Choices() < least || c.Choices() > most:
		return fmt.Errorf("%s has %d values: want %d to %d for a %s", at, c.Choices(), least, most, c.Kind)
	case c.Mean != 0 || c.Std != 0 || len(c.Knots) > 0 || c.Decimals != 0:
		return fmt.Errorf("%s has mean, std, knots or decimals: want none for a %s", at, c.Kind)
	}
	for i, v := range c.Values {
		if !finite(v) || i > 0 && float32(v) <= float32(c.Values[i-1]) {
			return fmt.Errorf("%s.values[%d] is %g: want finite numbers, ascending", at, i, v)
		}
	}
	for i, word := range c.Words {
		if !validConditionName(word) || slices.Contains(c.Words[:i], word) {
			return fmt.Errorf("%s.words[%d] is %q: want different printable texts of 1 to %d bytes", at, i, brief(word),
				maxConditionName)
		}
	}
	return nil
}
