package data

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Numbers with separators of thousands that cannot be anything else: with two groups of three digits or more, or with
// one and decimals behind another separator.
var (
	commaGroups = regexp.MustCompile(`^[-+]?[1-9]\d{0,2}((,\d{3}){2,}|(,\d{3})+\.\d+)$`)
	pointGroups = regexp.MustCompile(`^[-+]?[1-9]\d{0,2}((\.\d{3}){2,}|(\.\d{3})+,\d+)$`)
)

// oneComma is a number with decimals behind a comma, or with one separator of thousands.
var oneComma = regexp.MustCompile(`^[-+]?\d+,\d+$`)

// oneGroup is a number with decimals behind a comma, or with one comma between thousands.
var oneGroup = regexp.MustCompile(`^[-+]?[1-9]\d{0,2},\d{3}$`)

// looksNumeric reports whether a text that is not a number has only digits and the separators of one.
func looksNumeric(word string) bool {
	return commaGroups.MatchString(word) || pointGroups.MatchString(word) || oneComma.MatchString(word)
}

// ungrouped returns the number of a text with separators of thousands. comma says that a comma is the decimal point,
// and certain that the separators can be nothing else.
func ungrouped(word string, comma bool) (text string, v float64, ok, certain bool) {
	certain = comma && pointGroups.MatchString(word) || !comma && commaGroups.MatchString(word)
	if !certain && (comma || !oneGroup.MatchString(word)) {
		return "", 0, false, false
	}
	if text = strings.ReplaceAll(word, ",", ""); comma {
		text = strings.Replace(strings.ReplaceAll(word, ".", ""), ",", ".", 1)
	}
	v, err := strconv.ParseFloat(text, 64)
	return text, v, err == nil && math.Abs(v) <= math.MaxFloat32, certain
}

// readGroups turns the words of a column that are numbers with separators of thousands into numbers. It does so if one
// can be nothing else, if no other contradicts it, and if most rows have numbers.
func (c *Cells) readGroups(comma bool) {
	values, decimals, sure := make([]float64, len(c.Words)), c.decimals, false
	for i, word := range c.Words {
		text, v, ok, certain := ungrouped(word, comma)
		switch {
		case ok:
			values[i], decimals, sure = v, max(decimals, decimalsOf(text)), sure || certain
		case looksNumeric(word):
			return
		}
	}
	if numeric, others := c.numericRows(); !sure || comma && c.pointed || numeric <= others {
		return
	}
	c.decimals = decimals
	for row, w := range c.word {
		if w != 0 && values[w-1] != 0 { // no such number is 0
			c.Numbers[row], c.word[row] = values[w-1], 0
		}
	}
}

// numericRows returns the number of rows that have a number, or a text that looks like one, and of those that have
// other words.
func (c *Cells) numericRows() (numeric, others int) {
	looks := make([]bool, len(c.Words))
	for i, word := range c.Words {
		looks[i] = looksNumeric(word)
	}
	for row, w := range c.word {
		switch {
		case w != 0 && !looks[w-1]:
			others++
		case !c.Missing(row):
			numeric++
		}
	}
	return numeric, others
}

// separated reports whether a column with words has numbers, at least one of them with points or commas that may be
// separators of thousands or of decimals.
func (c *Cells) separated() bool {
	numeric, others := c.numericRows()
	return numeric > others && c.firstNumeric() >= 0
}

// firstNumeric returns the first row with a word that looks like a number, or -1.
func (c *Cells) firstNumeric() int {
	return slices.IndexFunc(c.word, func(w int32) bool { return w != 0 && looksNumeric(c.Words[w-1]) })
}

// wrongSeparators returns the error for a column that is separated.
func (t *Table) wrongSeparators(c *Cells) error {
	row, or := c.firstNumeric(), "--decimal-comma if a comma is the decimal point"
	if t.comma {
		or = "a decimal comma and no decimal point in all of them"
	}
	return fmt.Errorf("%s is %q: want numbers without separators of thousands, or %s", t.Place(row, c.Name),
		cut(c.Word(row)), or)
}
