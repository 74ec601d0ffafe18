package models

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/gomlx/compute-onnx/support/protos"
)

const (
	// InputC is the name of the graph's third input, which a model with a [Condition] has.
	InputC = "c"

	// MaxClasses is the largest number of classes of a model.
	MaxClasses = 1 << 16

	// MaxConditionSize is the largest number of numbers of a model's condition.
	MaxConditionSize = 1 << 16

	maxConditionName = 64 // bytes
)

// Condition describes what samples of a model may be given: one of a number of classes, or a vector of numbers. All
// methods may be called on nil, which describes a model without conditions.
//
// The graph of a model with a condition has a third input, c. For classes it is int64 [N], and the value Classes means
// none. For a vector it is float32 [N, Size], or [N, Size+1] if Dropped; the last element is then 1 with a condition,
// and 0 without one, where all others are 0 too.
type Condition struct {
	Classes int      `json:"classes,omitempty"` // the number of classes; 0 for a vector
	Size    int      `json:"size,omitempty"`    // of the vector; 0 for classes
	Names   []string `json:"names,omitempty"`   // of the classes, or of the numbers of the vector; or none
	Dropped bool     `json:"dropped,omitempty"` // whether the network was also trained without the condition
}

// Validate returns an error of one line that names every field with a mistake.
func (c *Condition) Validate() error {
	if c == nil {
		return nil
	}
	var bad mistakes
	switch {
	case (c.Classes == 0) == (c.Size == 0):
		bad.add("condition has %d classes and size %d: want one of the two", c.Classes, c.Size)
	case c.Classes < 0 || c.Classes > MaxClasses:
		bad.add("condition classes is %d: want 1 to %d", c.Classes, MaxClasses)
	case c.Size < 0 || c.Size > MaxConditionSize:
		bad.add("condition size is %d: want 1 to %d", c.Size, MaxConditionSize)
	}
	bad.checkConditionNames(c)
	if len(bad) == 0 {
		return nil
	}
	return fmt.Errorf("%s", strings.Join(bad, "; "))
}

func (bad *mistakes) checkConditionNames(c *Condition) {
	if n := len(c.Names); n != 0 && n != c.Classes+c.Size {
		bad.add("condition has %d names: want none or %d", n, c.Classes+c.Size)
		return
	}
	seen := make(map[string]bool, len(c.Names))
	for i, name := range c.Names {
		index, err := strconv.Atoi(name)
		switch {
		case !validConditionName(name):
			bad.add("condition names[%d] is %q: want 1 to %d bytes of printable text, no space at its ends", i, name,
				maxConditionName)
		case seen[name]:
			bad.add("condition names[%d] is %q, like another: want different names", i, name)
		case c.Classes > 0 && err == nil && index != i:
			bad.add("condition names[%d] is %q, the index of another class: want %d or a word", i, name, i)
		default:
			seen[name] = true
			continue
		}
		return
	}
}

func validConditionName(name string) bool {
	unprintable := func(r rune) bool { return !unicode.IsPrint(r) }
	return name != "" && len(name) <= maxConditionName && utf8.ValidString(name) &&
		strings.TrimSpace(name) == name && !strings.ContainsFunc(name, unprintable)
}

// Width returns the number of elements of a row of c, as [sampling.Conditional.Width] does. Without conditions it is 0.
func (c *Condition) Width() int {
	switch {
	case c == nil:
		return 0
	case c.Classes > 0:
		return 1
	case c.Dropped:
		return c.Size + 1
	}
	return c.Size
}

// tensor returns the type of the input c, and its shape without the first axis. The model has a condition.
func (c *Condition) tensor() (kind protos.TensorProto_DataType, shape []int) {
	if c.Classes > 0 {
		return protos.TensorProto_INT64, nil
	}
	return protos.TensorProto_FLOAT, []int{c.Width()}
}

// String describes the condition in a few words: "10 classes", "3 numbers, or none".
func (c *Condition) String() string {
	switch {
	case c == nil:
		return "none"
	case c.Dropped:
		return c.what() + ", or none"
	}
	return c.what()
}

func (c *Condition) what() string {
	if c.Classes > 0 {
		return count(c.Classes, "class", "classes")
	}
	return count(c.Size, "number", "numbers")
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// wanted describes what a request has to choose: "one of 10 classes", "3 numbers".
func (c *Condition) wanted() string {
	if c.Classes > 1 {
		return "one of " + c.what()
	}
	return c.what()
}

// ClassName returns the name of a class, or its index if the classes have no names.
func (c *Condition) ClassName(class int) string {
	if c != nil && class >= 0 && class < len(c.Names) {
		return c.Names[class]
	}
	return strconv.Itoa(class)
}

// ClassRow returns the row of c of a class, for [sampling.Conditional.ScoreGiven]. The error says which classes there
// are.
func (c *Condition) ClassRow(class int64) ([]float32, error) {
	given := fmt.Sprintf("class is %d", class)
	if err := c.checkKind(given, true); err != nil {
		return nil, err
	}
	if class < 0 || class >= int64(c.Classes) {
		return nil, fmt.Errorf("%s: want 0 to %d", given, c.Classes-1)
	}
	return []float32{float32(class)}, nil
}

// NamedRow returns the row of c of the class with a name. The index of a class, in decimal, names it too. The error
// names similar names, or those that there are.
func (c *Condition) NamedRow(name string) ([]float32, error) {
	given := fmt.Sprintf("class is %q", brief(name))
	if err := c.checkKind(given, true); err != nil {
		return nil, err
	}
	if class := slices.Index(c.Names, name); class >= 0 {
		return c.ClassRow(int64(class))
	}
	if class, err := strconv.ParseInt(name, 10, 64); err == nil {
		return c.ClassRow(class)
	}
	if near := Near(name, c.Names); len(near) > 0 {
		return nil, fmt.Errorf("%s: did you mean %s?", given, alternatives(near))
	}
	if n := len(c.Names); n > 0 && n <= maxListed {
		return nil, fmt.Errorf("%s: want %s", given, alternatives(c.Names))
	}
	return nil, fmt.Errorf("%s: want 0 to %d", given, c.Classes-1)
}

// maxListed bounds the names that an error lists.
const maxListed = 20

// VectorRow returns the row of c of a vector of numbers.
func (c *Condition) VectorRow(vector []float32) ([]float32, error) {
	given := "condition has " + count(len(vector), "number", "numbers")
	if err := c.checkKind(given, false); err != nil {
		return nil, err
	}
	if len(vector) != c.Size {
		return nil, fmt.Errorf("%s: want %d", given, c.Size)
	}
	for i, v := range vector {
		if !finite(float64(v)) {
			return nil, fmt.Errorf("condition number %d is %g: want finite", i, v)
		}
	}
	row := slices.Clone(vector)
	if c.Dropped {
		row = append(row, 1)
	}
	return row, nil
}

// NoneRow returns the row of c of samples without a condition. If the network was never trained without one, it returns
// an error. A model without conditions has a row of 0 elements.
func (c *Condition) NoneRow() ([]float32, error) {
	switch {
	case c == nil:
		return nil, nil
	case !c.Dropped:
		return nil, fmt.Errorf("no condition: want %s, because the model was not trained without", c.wanted())
	case c.Classes > 0:
		return []float32{float32(c.Classes)}, nil
	}
	return make([]float32, c.Width()), nil
}

// checkKind returns an error unless the model has classes, or a vector.
func (c *Condition) checkKind(given string, classes bool) error {
	switch {
	case c == nil:
		return fmt.Errorf("%s: want none, because the model has no conditions", given)
	case classes && c.Classes == 0:
		return fmt.Errorf("%s: want %s, because the model has no classes", given, c.what())
	case !classes && c.Classes > 0:
		return fmt.Errorf("%s: want %s", given, c.wanted())
	}
	return nil
}

// CheckRow returns an error unless row is one that a method of c may have returned.
func (c *Condition) CheckRow(row []float32) error {
	if len(row) != c.Width() {
		return fmt.Errorf("row of the condition has %d elements: want %d", len(row), c.Width())
	}
	switch {
	case c == nil:
		return nil
	case c.Classes > 0:
		return c.checkClassRow(row[0])
	}
	for i, v := range row {
		if !finite(float64(v)) {
			return fmt.Errorf("condition number %d is %g: want finite", i, v)
		}
	}
	if !c.Dropped {
		return nil
	}
	flag := row[c.Size]
	if flag != 1 && slices.ContainsFunc(row, func(v float32) bool { return v != 0 }) {
		return fmt.Errorf("condition flag is %g: want 1, or 0 after zeros", flag)
	}
	return nil
}

func (c *Condition) checkClassRow(class float32) error {
	last := c.Classes - 1
	if c.Dropped {
		last = c.Classes
	}
	if !(class >= 0 && class <= float32(last)) || class != float32(math.Trunc(float64(class))) {
		return fmt.Errorf("class is %g: want a whole number from 0 to %d", class, last)
	}
	return nil
}
