package models

import (
	"fmt"
	"slices"

	"github.com/gomlx/compute-onnx/support/protos"
)

// split separates the input for the condition from the two others: the one that f names, else the only one whose type
// and shape fit, and if those do not decide, the only one whose name is usual for it.
func (f Foreign) split(
	inputs []*protos.ValueInfoProto, output *protos.ValueInfoProto, c *Condition,
) (given *protos.ValueInfoProto, others []*protos.ValueInfoProto, err error) {
	if c == nil {
		return nil, inputs, nil
	}
	if len(inputs) != 3 {
		return nil, nil, fmt.Errorf("inputs are %q: want three, samples, noise level and condition, because the model "+
			"is given %v", namesOf(inputs), c)
	}
	if given, err = f.findGiven(inputs, output, c); err != nil {
		return nil, nil, err
	}
	others = slices.DeleteFunc(slices.Clone(inputs), func(v *protos.ValueInfoProto) bool { return v == given })
	return given, others, nil
}

func (f Foreign) findGiven(inputs []*protos.ValueInfoProto, output *protos.ValueInfoProto, c *Condition,
) (*protos.ValueInfoProto, error) {
	if f.Given != "" {
		i := slices.Index(namesOf(inputs), f.Given)
		if i < 0 {
			return nil, fmt.Errorf("inputs are %q: want %q among them", namesOf(inputs), f.Given)
		}
		if _, err := c.formOf(inputs[i]); err != nil {
			return nil, err
		}
		return inputs[i], nil
	}
	fits := slices.DeleteFunc(slices.Clone(inputs), func(v *protos.ValueInfoProto) bool {
		_, err := c.formOf(v)
		return err != nil || v.GetName() == f.X || v.GetName() == f.Level
	})
	if len(fits) == 0 {
		if err := f.misfit(inputs, output, c); err != nil {
			return nil, err
		}
	}
	if len(fits) > 1 {
		named := slices.DeleteFunc(slices.Clone(fits), func(v *protos.ValueInfoProto) bool { return !soundsGiven(v) })
		if len(named) > 0 {
			fits = named
		}
	}
	if len(fits) != 1 {
		return nil, fmt.Errorf("inputs %s, %s and %s: types, shapes and names do not tell which of them is the "+
			"condition, %v: say it with --input-condition", describeValue(inputs[0]), describeValue(inputs[1]),
			describeValue(inputs[2]), c)
	}
	return fits[0], nil
}

// misfit returns why the only input that could be a condition does not fit this one; nil if there is no such input, or
// more than one. It is the one with a usual name, or the one that can be neither samples nor the noise level.
func (f Foreign) misfit(inputs []*protos.ValueInfoProto, output *protos.ValueInfoProto, c *Condition) error {
	left := slices.DeleteFunc(slices.Clone(inputs), func(v *protos.ValueInfoProto) bool {
		return v.GetName() == f.X || v.GetName() == f.Level
	})
	for _, rejected := range []func(v *protos.ValueInfoProto) bool{
		func(v *protos.ValueInfoProto) bool { return !soundsGiven(v) },
		func(v *protos.ValueInfoProto) bool { return isColumn(v) || sameSample(v, output) },
	} {
		if able := slices.DeleteFunc(slices.Clone(left), rejected); len(able) == 1 {
			_, err := c.formOf(able[0])
			return err
		}
	}
	return nil
}

// soundsGiven reports whether the name of an input is usual for a condition.
func soundsGiven(v *protos.ValueInfoProto) bool {
	usual := []string{
		"c", "y", "class", "classes", "class_label", "class_labels", "cls", "condition", "conditions", "cond",
		"context", "observation", "observations", "obs", "x_o", "x_obs",
	}
	return slices.Contains(usual, bareName(v.GetName()))
}

// form says how a foreign network takes a condition.
type form int

const (
	formSame   form = iota // as the input c
	formOneHot             // a class as a row of zeros with one 1, and none as zeros
	formShort              // a vector without the flag, and none as zeros
)

// formOf returns the form in which an input can take a condition.
func (c *Condition) formOf(v *protos.ValueInfoProto) (form, error) {
	kind, shape := elementType(v), v.GetType().GetTensorType().GetShape()
	float := kind == protos.TensorProto_FLOAT || kind == protos.TensorProto_DOUBLE
	axes := shape.GetDim()
	wide := func(n int) bool {
		if !float || len(axes) != 2 {
			return false
		}
		size, fixed := fixedSize(axes[1])
		return !fixed || size == int64(n)
	}
	if len(axes) > 0 {
		if _, fixed := fixedSize(axes[0]); fixed {
			return 0, fmt.Errorf("%s: shape is %s: want a free first axis, so export with dynamic_axes for it too",
				v.GetName(), describe(axes))
		}
	}
	switch {
	case c.Classes > 0 && isInteger(v) && len(axes) > 0 && isColumn(v):
		return formSame, nil
	case c.Classes > 0 && wide(c.Classes):
		return formOneHot, nil
	case c.Classes > 0:
		return 0, fmt.Errorf("input %s: want the index of a class, INT64 or INT32 [N], or FLOAT [N %d] with a 1 at it",
			describeValue(v), c.Classes)
	case wide(c.Width()):
		return formSame, nil
	case wide(c.Size):
		return formShort, nil
	}
	return 0, fmt.Errorf("input %s: want the condition, FLOAT [N %d]", describeValue(v), c.Size)
}

// given computes the foreign input for a condition from the input c. It cannot fail for an input that formOf accepts.
func (a *adoption) given(v *protos.ValueInfoProto, c *Condition) error {
	form, err := c.formOf(v)
	if err != nil {
		return err
	}
	value, is := InputC, protos.TensorProto_FLOAT
	switch {
	case form == formOneHot:
		value = a.oneHot(c.Classes)
	case form == formShort:
		value, _ = a.compute("Slice", value, a.ints("first", 0), a.ints("size", int64(c.Size)), a.ints("axis", 1))
	case c.Classes > 0:
		is = protos.TensorProto_INT64
	}
	value = a.cast(value, is, elementType(v))
	n := len(v.GetType().GetTensorType().GetShape().GetDim())
	if form == formSame && c.Classes > 0 && n > 1 { // [N, 1...]
		axes := append([]int64{-1}, slices.Repeat([]int64{1}, n-1)...)
		value, _ = a.compute("Reshape", value, a.ints("class_shape", axes...))
	}
	a.write("Identity", v.GetName(), value)
	return nil
}

// oneHot returns rows of zeros with a 1 at the class. The row for none, which is behind the last class, is all zeros.
func (a *adoption) oneHot(classes int) string {
	off := a.constant("off_on", &protos.TensorProto{DataType: int32(protos.TensorProto_FLOAT), Dims: []int64{2},
		FloatData: []float32{0, 1}})
	value, _ := a.compute("OneHot", InputC, a.ints("classes", int64(classes)), off)
	return value
}

// conditionValue describes the input c.
func conditionValue(c *Condition) *protos.ValueInfoProto {
	kind, shape := c.tensor()
	v := float32Value(InputC, shape)
	v.GetType().GetTensorType().ElemType = int32(kind)
	return v
}
