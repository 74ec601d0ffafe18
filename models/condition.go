package models

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/gomlx/compute-onnx/support/protos"

	"github.com/langevin-ml/langevin/sampling"
)

const (
	// InputC is the name of the graph's third input, which a model with a [Condition] has.
	InputC = "c"

	// MaxClasses is the largest number of classes of a model.
	MaxClasses = 1 << 16

	// MaxConditionSize is the largest number of numbers of a model's condition.
	MaxConditionSize = 1 << 16

	maxConditionName  = 64      // bytes
	maxConditionNames = 1 << 20 // bytes of all names, which answers of servers contain
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
	return c.ValidateAs("condition.classes", "condition.size", "condition.names")
}

// ValidateAs is [Condition.Validate] for fields that have other names, such as those of flags.
func (c *Condition) ValidateAs(classes, size, names string) error {
	if c == nil {
		return nil
	}
	var bad mistakes
	switch {
	case (c.Classes == 0) == (c.Size == 0):
		bad.add("%s is %d and %s is %d: want one of the two", classes, c.Classes, size, c.Size)
	case c.Classes < 0 || c.Classes > MaxClasses:
		bad.add("%s is %d: want 1 to %d", classes, c.Classes, MaxClasses)
	case c.Size < 0 || c.Size > MaxConditionSize:
		bad.add("%s is %d: want 1 to %d", size, c.Size, MaxConditionSize)
	default:
		bad.checkConditionNames(c, names)
	}
	if len(bad) == 0 {
		return nil
	}
	return errors.New(strings.Join(bad, "; "))
}

// checkConditionNames checks the names of a condition of a valid size. field is that of the names.
func (bad *mistakes) checkConditionNames(c *Condition, field string) {
	if n := len(c.Names); n != 0 && n != c.Classes+c.Size {
		bad.add("%s has %s: want none or %d", field, count(n, "name", "names"), c.Classes+c.Size)
		return
	}
	if n := len(strings.Join(c.Names, "")); n > maxConditionNames {
		bad.add("%s has %d bytes: want at most %d in all", field, n, maxConditionNames)
	}
	seen := make(map[string]bool, len(c.Names))
	for i, name := range c.Names {
		index, err := strconv.Atoi(name)
		switch {
		case !validConditionName(name):
			bad.add("%s[%d] is %q: want 1 to %d bytes of printable text, no space at its ends", field, i, name,
				maxConditionName)
		case seen[name]:
			bad.add("%s[%d] is %q, like another: want different names", field, i, name)
		case c.Classes > 0 && err == nil && index != i:
			bad.add("%s[%d] is %q, the index of another class: want %d or a word", field, i, name, i)
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

// Kinds returns the number of values that the input c can have for classes, none included. Otherwise it is 0.
func (c *Condition) Kinds() int {
	switch {
	case c == nil || c.Classes == 0:
		return 0
	case c.Dropped:
		return c.Classes + 1
	}
	return c.Classes
}

// counted describes Kinds: "10", "10 and one for none".
func (c *Condition) counted() string {
	if c.Dropped {
		return fmt.Sprintf("%d and one for none", c.Classes)
	}
	return strconv.Itoa(c.Classes)
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
		return "nothing"
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

// ClassRow returns the row of c of a class, for [sampling.Conditional.ScoreGiven]. The error, a [sampling.FieldError]
// of the field class, says which classes there are.
func (c *Condition) ClassRow(class int64) ([]float32, error) {
	return c.classRow(class, &sampling.FieldError{Field: "class", Given: class})
}

// classRow returns the row of c of a class. bad is the error for a mistake, without what is wanted.
func (c *Condition) classRow(class int64, bad *sampling.FieldError) ([]float32, error) {
	if bad.Want = c.wantsOther(true); bad.Want != "" {
		return nil, bad
	}
	if class < 0 || class >= int64(c.Classes) {
		bad.Want = fmt.Sprintf("0 to %d", c.Classes-1)
		return nil, bad
	}
	return []float32{float32(class)}, nil
}

// NamedRow returns the row of c of the class with a name. The index of a class, in decimal, names it too. The error, a
// [sampling.FieldError] of the field class_name, names similar names, or those that there are.
func (c *Condition) NamedRow(name string) ([]float32, error) {
	bad := &sampling.FieldError{Field: "class_name", Given: strconv.Quote(brief(name))}
	if bad.Want = c.wantsOther(true); bad.Want != "" {
		return nil, bad
	}
	if class := slices.Index(c.Names, name); class >= 0 {
		return c.classRow(int64(class), bad)
	}
	if class, err := strconv.ParseInt(name, 10, 64); err == nil {
		return c.classRow(class, bad)
	}
	bad.Want = fmt.Sprintf("an index from 0 to %d", c.Classes-1)
	if near := Near(name, c.Names); len(near) > 0 {
		bad.Want = fmt.Sprintf("a class of the model: did you mean %s?", alternatives(near))
	} else if n := len(c.Names); n > 0 && n <= maxListed {
		bad.Want = fmt.Sprintf("%s, or %s", alternatives(c.Names), bad.Want)
	} else if n > 0 {
		bad.Want = "the name of a class, or " + bad.Want
	}
	return nil, bad
}

// maxListed bounds the names that an error lists.
const maxListed = 20

// VectorRow returns the row of c of a vector of numbers.
func (c *Condition) VectorRow(vector []float32) ([]float32, error) {
	given := "condition has " + count(len(vector), "number", "numbers")
	if want := c.wantsOther(false); want != "" {
		return nil, fmt.Errorf("%s: want %s", given, want)
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

// wantsOther returns what the model wants in place of a class, or of a vector; nothing if it wants that.
func (c *Condition) wantsOther(classes bool) string {
	switch {
	case c == nil:
		return "none, because the model has no conditions"
	case classes && c.Classes == 0:
		return c.what() + ", because the model has no classes"
	case !classes && c.Classes > 0:
		return c.wanted()
	}
	return ""
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
	last := c.Kinds() - 1
	if !(class >= 0 && class <= float32(last)) || class != float32(math.Trunc(float64(class))) {
		return fmt.Errorf("class is %g: want a whole number from 0 to %d", class, last)
	}
	return nil
}
