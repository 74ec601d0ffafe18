package models

import (
	"fmt"
	"math"
	"slices"
	"sort"
	"strconv"
)

// ColumnKind says what the values of a column are.
type ColumnKind string

const (
	ColumnNumber   ColumnKind = "number"   // any number
	ColumnInteger  ColumnKind = "integer"  // whole numbers
	ColumnCategory ColumnKind = "category" // one of a few values
	ColumnConstant ColumnKind = "constant" // always the same value, which the network does not see
)

// MaxColumns is the largest number of columns of a model.
const MaxColumns = 4096

// MaxCategories is the largest number of values of a category.
const MaxCategories = 1024

// CategoryScale is the size of the one number of a category's code that stands for its value. It makes two categories
// as far apart as typical rows of standardized numbers.
const CategoryScale = 2

// Column describes a column of a model's rows: what users see, and how a network sees it. A network sees a number as
// one number of about unit variance, a category as a number for each value, and a constant not at all.
type Column struct {
	Name string     `json:"name"`
	Kind ColumnKind `json:"kind"`
	Unit string     `json:"unit,omitempty"`

	// Decimals is the number of decimals of a number's values, to which samples are rounded; 0 if they are not.
	Decimals int `json:"decimals,omitempty"`

	// Low and High are the smallest and the largest number of the data. Samples of an integer, and of a number with
	// Knots, are moved into this range.
	Low  float64 `json:"low,omitempty"`
	High float64 `json:"high,omitempty"`

	// A network sees a number as (x - Mean)/Std. With Knots it sees the piecewise linear function through the points
	// (x, z) instead. Both are ascending, x with steps of 0 at values that many rows have. The first x is Low, the last
	// High, and beyond them the slope is 1/Std.
	Mean  float64      `json:"mean,omitempty"`
	Std   float64      `json:"std,omitempty"`
	Knots [][2]float64 `json:"knots,omitempty"`

	// A category or a constant has either Words, and then its values are their indices, or Values, ascending.
	Words  []string  `json:"words,omitempty"`
	Values []float64 `json:"values,omitempty"`
}

// Columns are the columns of a model's rows, in the order in which users see them.
type Columns []Column

// Choices returns the number of values of a category or a constant, and 0 for numbers.
func (c Column) Choices() int { return len(c.Words) + len(c.Values) }

// Shortest returns the number with the fewest digits that is the same float32 as v: 4.3 for 4.300000190734863. Bounds
// and values of columns are float32, as all rows are, and people see them.
func Shortest(v float64) float64 {
	short, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', -1, 32), 64)
	if err != nil || float32(short) != float32(v) {
		return v
	}
	return short
}

// Width returns how many numbers a network sees of the column.
func (c Column) Width() int {
	switch c.Kind {
	case ColumnCategory:
		return c.Choices()
	case ColumnConstant:
		return 0
	}
	return 1
}

// Width returns how many numbers a network sees of a row.
func (c Columns) Width() (width int) {
	for _, column := range c {
		width += column.Width()
	}
	return width
}

// Encode overwrites z, of [Columns.Width] numbers, with what a network sees of a row. u chooses a place on [0, 1) for
// each column within the values that are rounded to the same one; nil chooses their middle. The row must be one that
// [Columns.Check] accepts.
func (c Columns) Encode(z, row, u []float32) {
	for i, column := range c {
		place := 0.5
		if u != nil {
			place = float64(u[i])
		}
		width := column.Width()
		column.encode(z[:width], float64(row[i]), place)
		z = z[width:]
	}
}

func (c Column) encode(z []float32, x, u float64) {
	switch c.Kind {
	case ColumnConstant:
	case ColumnCategory:
		for k := range z {
			z[k] = -CategoryScale / float32(len(z))
		}
		z[c.choice(x)] += CategoryScale
	default:
		z[0] = float32(c.forward(x, u))
	}
}

// Decode overwrites row with the values nearest to what a network sees of it.
func (c Columns) Decode(row, z []float32) {
	for i, column := range c {
		width := column.Width()
		row[i] = float32(column.decode(z[:width]))
		z = z[width:]
	}
}

func (c Column) decode(z []float32) float64 {
	switch c.Kind {
	case ColumnConstant:
		return c.value(0)
	case ColumnCategory:
		best := 0
		for k, v := range z {
			if v > z[best] {
				best = k
			}
		}
		return c.value(best)
	}
	x := c.rounded(c.backward(float64(z[0])))
	if c.Kind == ColumnInteger {
		x = min(max(x, c.Low), c.High)
	}
	return x
}

// value returns the value of a choice.
func (c Column) value(choice int) float64 {
	if len(c.Values) > 0 {
		return c.Values[choice]
	}
	return float64(choice)
}

// choice returns the index of a value of a category or a constant, or -1 for another number.
func (c Column) choice(x float64) int {
	if len(c.Words) > 0 {
		if x == math.Trunc(x) && x >= 0 && x < float64(len(c.Words)) {
			return int(x)
		}
		return -1
	}
	for k, v := range c.Values {
		if float32(v) == float32(x) {
			return k
		}
	}
	return -1
}

// step returns the distance of neighbouring values; 0 for numbers that are not rounded.
func (c Column) step() float64 {
	switch {
	case c.Kind == ColumnInteger:
		return 1
	case c.Decimals > 0:
		return math.Pow(10, -float64(c.Decimals))
	}
	return 0
}

func (c Column) rounded(x float64) float64 {
	if c.step() == 0 {
		return x
	}
	scale := math.Pow(10, float64(c.Decimals))
	if x = math.Round(x*scale) / scale; x == 0 {
		return 0 // and not -0, which CSV would show
	}
	return x
}

// forward returns what a network sees of a number. u is the place in the step, or in a jump of the knots.
func (c Column) forward(x, u float64) float64 {
	if len(c.Knots) == 0 {
		return (x + (u-0.5)*c.step() - c.Mean) / c.Std
	}
	first := sort.Search(len(c.Knots), func(i int) bool { return c.Knots[i][0] >= x })
	last := sort.Search(len(c.Knots), func(i int) bool { return c.Knots[i][0] > x }) - 1
	switch {
	case first == len(c.Knots): // above all
		end := c.Knots[first-1]
		return end[1] + (x-end[0])/c.Std
	case first <= last: // at a knot, or in a jump
		return within(c.Knots[first][1], c.Knots[last][1], u)
	case first == 0:
		return c.Knots[0][1] + (x-c.Knots[0][0])/c.Std
	}
	a, b := c.Knots[first-1], c.Knots[first]
	return a[1] + (x-a[0])/(b[0]-a[0])*(b[1]-a[1])
}

// within returns the number below which a standard normal number between low and high is with probability u.
func within(low, high, u float64) float64 {
	if low == high {
		return low
	}
	z := math.Sqrt2 * math.Erfinv(math.Erf(low/math.Sqrt2)*(1-u)+math.Erf(high/math.Sqrt2)*u)
	return min(max(z, low), high)
}

// backward is the inverse of forward.
func (c Column) backward(z float64) float64 {
	if len(c.Knots) == 0 {
		return c.Mean + c.Std*z
	}
	i := sort.Search(len(c.Knots), func(i int) bool { return c.Knots[i][1] >= z })
	switch i {
	case 0:
		return c.Knots[0][0]
	case len(c.Knots):
		return c.Knots[i-1][0]
	}
	a, b := c.Knots[i-1], c.Knots[i]
	return a[0] + (z-a[1])/(b[1]-a[1])*(b[0]-a[0])
}

// slope returns dz/dx at a number. In a jump, which has none, it returns the probability of the jump under a standard
// normal distribution, over the density in its middle and the step of the values. So the density becomes the
// probability of the value per step.
func (c Column) slope(x float64) float64 {
	if len(c.Knots) == 0 {
		return 1 / c.Std
	}
	first := sort.Search(len(c.Knots), func(i int) bool { return c.Knots[i][0] >= x })
	last := sort.Search(len(c.Knots), func(i int) bool { return c.Knots[i][0] > x }) - 1
	switch {
	case first < last:
		step := c.step()
		if step == 0 {
			step = 1
		}
		low, high := c.Knots[first][1], c.Knots[last][1]
		middle := within(low, high, 0.5)
		mass := (math.Erf(high/math.Sqrt2) - math.Erf(low/math.Sqrt2)) / 2
		return mass * math.Sqrt(2*math.Pi) * math.Exp(middle*middle/2) / step
	case first == len(c.Knots) || x < c.Knots[0][0]:
		return 1 / c.Std
	}
	first = max(1, first)
	a, b := c.Knots[first-1], c.Knots[first]
	if a[0] == b[0] { // a knot at the upper end of a jump
		return 1 / c.Std
	}
	return (b[1] - a[1]) / (b[0] - a[0])
}

// LogVolume returns what has to be added to the log density of what a network sees of a row, with noise of the standard
// deviation sigma, to get the log density of the row in the units of its columns: ln dz/dx of every number, and for
// each category the logarithm of the density of noise at 0, which makes the density at a category's code the
// probability of the category.
func (c Columns) LogVolume(row []float32, sigma float64) (sum float64) {
	for i, column := range c {
		switch column.Kind {
		case ColumnConstant:
		case ColumnCategory:
			sum += float64(column.Width()) * math.Log(sigma*math.Sqrt(2*math.Pi))
		default:
			sum += math.Log(column.slope(float64(row[i])))
		}
	}
	return sum
}

// Gradient overwrites dst, with a number for each column, with the gradient along a row's numbers from the gradient
// along what a network sees. Categories and constants have no gradient, and get 0.
func (c Columns) Gradient(dst, gradient, row []float32) {
	for i, column := range c {
		width := column.Width()
		dst[i] = 0
		if column.Kind == ColumnNumber || column.Kind == ColumnInteger {
			dst[i] = gradient[0] * float32(column.slope(float64(row[i])))
		}
		gradient = gradient[width:]
	}
}

// Filler returns a valid value of the column, for places whose value does not matter.
func (c Column) Filler() float32 {
	if c.Choices() > 0 {
		return float32(c.value(0))
	}
	return float32(c.Mean)
}

// Mask returns which of a network's numbers belong to the columns of a mask.
func (c Columns) Mask(columns []bool) []bool {
	mask := make([]bool, 0, c.Width())
	for i, column := range c {
		mask = append(mask, slices.Repeat([]bool{columns[i]}, column.Width())...)
	}
	return mask
}

// Check returns an error unless row may be a row of the columns.
func (c Columns) Check(row []float32) error {
	for i, column := range c {
		if err := column.Check(float64(row[i])); err != nil {
			return err
		}
	}
	return nil
}

// Check returns an error unless x may be a value of the column.
func (c Column) Check(x float64) error {
	switch {
	case !finite(x):
		return fmt.Errorf("column %s is %g: want a finite number", strconv.Quote(c.Name), x)
	case c.Choices() > 0 && c.choice(x) < 0:
		return fmt.Errorf("column %s is %g: want %s", strconv.Quote(c.Name), x, c.wanted())
	}
	return nil
}

// wanted lists the values of a category or a constant.
func (c Column) wanted() string {
	switch n := len(c.Words); {
	case n == 1:
		return "0, which stands for " + strconv.Quote(c.Words[0])
	case n > maxListed:
		return fmt.Sprintf("0 to %d", n-1)
	case n > 0:
		return fmt.Sprintf("0 to %d, which stand for %s", n-1, alternatives(c.Words))
	}
	var texts []string
	for _, v := range c.Values {
		texts = append(texts, strconv.FormatFloat(v, 'g', -1, 32))
	}
	if len(texts) > maxListed {
		return fmt.Sprintf("one of its %d values", len(texts))
	}
	return alternatives(texts)
}
