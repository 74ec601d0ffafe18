package models

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gomlx/compute-onnx/support/protos"
)

// inputs identifies the two inputs: by what f says, else by types and shapes, and if those do not decide, by names.
func (f Foreign) inputs(
	inputs []*protos.ValueInfoProto, output *protos.ValueInfoProto,
) (x, level *protos.ValueInfoProto, err error) {
	if err := f.checkInputs(namesOf(inputs)); err != nil {
		return nil, nil, err
	}
	first, second := inputs[0], inputs[1]
	straight, crossed := f.names(first, second), f.names(second, first)
	if !straight && !crossed {
		straight, crossed = couldBe(first, second, output), couldBe(second, first, output)
	}
	if straight && crossed {
		straight, crossed = soundLike(first, second), soundLike(second, first)
	}
	switch {
	case straight == crossed:
		return nil, nil, fmt.Errorf("inputs %s and %s: types, shapes and names do not tell which of them is samples, "+
			"like the output %s, and which the noise level: say it with --input-x or --input-level",
			describeValue(first), describeValue(second), describeValue(output))
	case crossed:
		return second, first, nil
	}
	return first, second, nil
}

func (f Foreign) checkInputs(names []string) error {
	switch {
	case len(names) == 1:
		return fmt.Errorf("its only input is %q: want two, samples and noise level, so export a module whose "+
			"forward(x, sigma) takes both and returns net(x) / sigma, or whatever its score is", names[0])
	case len(names) != 2:
		return fmt.Errorf("inputs are %q: want two, samples and noise level, so export a module whose forward "+
			"takes just these and fixes the rest, such as the label of a class", names)
	case f.X != "" && f.X == f.Level:
		return fmt.Errorf("input %q is said to be both: want one for samples and one for the noise level", f.X)
	}
	for _, name := range []string{f.X, f.Level} {
		if name != "" && !slices.Contains(names, name) {
			return fmt.Errorf("inputs are %q: want %q among them", names, name)
		}
	}
	return nil
}

// names reports whether f names x as the samples or level as the noise level.
func (f Foreign) names(x, level *protos.ValueInfoProto) bool {
	return f.X != "" && f.X == x.GetName() || f.Level != "" && f.Level == level.GetName()
}

// couldBe reports whether types and shapes allow x to be samples and level their noise levels. Unknown ones allow it.
func couldBe(x, level, output *protos.ValueInfoProto) bool {
	return !isInteger(x) && sameSample(x, output) && isColumn(level)
}

func isInteger(v *protos.ValueInfoProto) bool {
	return elementType(v) == protos.TensorProto_INT64 || elementType(v) == protos.TensorProto_INT32
}

func elementType(v *protos.ValueInfoProto) protos.TensorProto_DataType {
	return protos.TensorProto_DataType(v.GetType().GetTensorType().GetElemType())
}

// sameSample reports whether two values may have the same shape except for the first axis.
func sameSample(a, b *protos.ValueInfoProto) bool {
	s, t := a.GetType().GetTensorType().GetShape(), b.GetType().GetTensorType().GetShape()
	if s == nil || t == nil {
		return true
	}
	if len(s.GetDim()) != len(t.GetDim()) {
		return false
	}
	for i := range s.GetDim() {
		m, fixed := fixedSize(s.GetDim()[i])
		n, alsoFixed := fixedSize(t.GetDim()[i])
		if i > 0 && fixed && alsoFixed && m != n {
			return false
		}
	}
	return true
}

// isColumn reports whether a value may have the shape [N] or [N, 1...].
func isColumn(v *protos.ValueInfoProto) bool {
	shape := v.GetType().GetTensorType().GetShape()
	if shape == nil {
		return true
	}
	for i, axis := range shape.GetDim() {
		if n, fixed := fixedSize(axis); i > 0 && fixed && n != 1 {
			return false
		}
	}
	return true
}

// soundLike reports whether the name of x is usual for samples, or the name of level for noise levels.
func soundLike(x, level *protos.ValueInfoProto) bool {
	samples := []string{
		"x", "xt", "x_t", "x_in", "x_noisy", "noisy", "noisy_x", "input", "inputs", "sample", "samples",
		"image", "images", "img", "imgs", "data", "latent", "latents", "pixel_values",
		"perturbed_x", "perturbed_samples",
	}
	levels := []string{
		"t", "ts", "time", "times", "timestep", "timesteps", "sigma", "sigmas", "used_sigmas", "noise", "noise_level",
		"noise_levels", "noise_labels", "c_noise", "noise", "level", "levels", "label", "labels", "cond", "time_cond",
		"std", "step", "steps",
	}
	return slices.Contains(samples, bareName(x.GetName())) || slices.Contains(levels, bareName(level.GetName()))
}

// bareName returns the name without the number that an exporter adds to a name that is in use: input of input.1.
func bareName(name string) string {
	bare, _, _ := strings.Cut(strings.ToLower(name), ".")
	return bare
}

func describeValue(v *protos.ValueInfoProto) string {
	t := v.GetType().GetTensorType()
	shape := "of unknown shape"
	if t.GetShape() != nil {
		shape = describe(t.GetShape().GetDim())
	}
	return fmt.Sprintf("%q (%s %s)", v.GetName(), elementType(v), shape)
}

// checkPrecision returns an error for a type that cannot represent all float32 values. Casts to and from float64 lose
// nothing.
func checkPrecision(values ...*protos.ValueInfoProto) error {
	for _, v := range values {
		switch kind := elementType(v); kind {
		case protos.TensorProto_FLOAT, protos.TensorProto_DOUBLE:
		case protos.TensorProto_FLOAT16, protos.TensorProto_BFLOAT16:
			return fmt.Errorf("%s: type is %s, too coarse for samples with little noise: want FLOAT, "+
				"so export net.float(); "+
				"langevin models convert --fp16 then computes in float16 where that is safe", v.GetName(), kind)
		default:
			return fmt.Errorf("%s: type is %s: want FLOAT or DOUBLE", v.GetName(), kind)
		}
	}
	return nil
}

// levelKind compares the input for the noise level with the kind that was given.
func levelKind(level *protos.ValueInfoProto, asked LevelKind) (LevelKind, error) {
	switch asked {
	case "", LevelLabel, LevelSigma:
	default:
		return "", fmt.Errorf("condition is %q: want %s or %s", asked, LevelLabel, LevelSigma)
	}
	found, kind := LevelSigma, elementType(level)
	switch kind {
	case protos.TensorProto_INT64, protos.TensorProto_INT32:
		found = LevelLabel
	case protos.TensorProto_FLOAT, protos.TensorProto_DOUBLE:
	default:
		return "", fmt.Errorf("%s: type is %s: want FLOAT or DOUBLE for sigma, so export net.float(), "+
			"or INT64 or INT32 for the index of a level", level.GetName(), kind)
	}
	if asked == LevelSigma && found == LevelLabel {
		return "", fmt.Errorf("%s: type is %s, an index: want FLOAT for sigma", level.GetName(), kind)
	}
	if err := checkColumn(level); err != nil {
		return "", err
	}
	if asked == "" {
		return found, nil
	}
	return asked, nil
}

// checkColumn returns an error unless there is a noise level for each row.
func checkColumn(level *protos.ValueInfoProto) error {
	shape := level.GetType().GetTensorType().GetShape()
	axes := shape.GetDim()
	switch {
	case shape != nil && len(axes) == 0:
		return fmt.Errorf("%s: shape is [], one noise level for all rows: want [N], so export with an example input "+
			"that has one for each row", level.GetName())
	case !isColumn(level):
		return fmt.Errorf("%s: shape is %s: want one number for each row, [N] or [N 1 ...]", level.GetName(),
			describe(axes))
	case len(axes) > 0:
		if _, fixed := fixedSize(axes[0]); fixed {
			return fmt.Errorf("%s: shape is %s: want a free first axis, so export with dynamic_axes for it too",
				level.GetName(), describe(axes))
		}
	}
	return nil
}
