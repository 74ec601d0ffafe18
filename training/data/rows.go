package data

import (
	"fmt"
	"slices"

	"github.com/langevin-ml/langevin/training/settings"
)

// arrayKind is the kind of files with an array.
type arrayKind struct{}

func (arrayKind) keys(string) []string {
	return []string{"dir", "layout", "random_flip", "dequantization", "transform", "condition_columns"}
}

func (arrayKind) check(c Config, bad *settings.Mistakes) {
	bad.Require(c.Dir != "", "data.dir is empty: want the path of a .npy, .npz or .csv file")
	layouts := []Layout{"", ChannelsFirst, ChannelsLast}
	bad.Require(slices.Contains(layouts, c.Layout), "data.layout is %q: want one of %q", c.Layout, layouts[1:])
	bad.Require(c.ConditionColumns >= 0 && c.ConditionColumns <= mostConditions,
		"data.condition_columns is %d: want 0 to %d", c.ConditionColumns, mostConditions)
	checkLevels(c, bad)
}

// mostConditions is the largest number of columns of a condition, which a model file has room for.
const mostConditions = 1 << 16

func (arrayKind) describe(c Config) string {
	text := pictureKind{}.describe(c)
	switch n := c.ConditionColumns; {
	case n == 1:
		text += ", given the first column"
	case n > 1:
		text += fmt.Sprintf(", given the first %d columns", n)
	}
	return text
}

// open reads the file. Every tenth row belongs to the test part.
func (arrayKind) open(r Reader, c Config, split Split, seed uint64) (Source, error) {
	a, err := ReadArray(c.Dir)
	if err != nil {
		return nil, atDir(err)
	}
	r.notice(c.Dir, a.Note)
	source, err := a.source(c, split, seed)
	if err != nil {
		return nil, atDir(fmt.Errorf("read %s: %w", c.Dir, err))
	}
	return source, nil
}

// source returns the rows of a part of an array.
func (a Array) source(c Config, split Split, seed uint64) (Source, error) {
	if len(a.Shape) < 2 || a.Shape[0] < 10 {
		return nil, fmt.Errorf("its shape is %v: want [rows, ...], at least 10 rows", a.Shape)
	}
	if err := a.channelsFirst(c.Layout); err != nil {
		return nil, err
	}
	if err := a.checkGiven(c.ConditionColumns); err != nil {
		return nil, err
	}
	a = a.part(split)
	if a.Bytes() {
		images, err := a.images()
		if err != nil {
			return nil, err
		}
		return newPictures(images, c, seed), nil
	}
	var bad settings.Mistakes
	const only = "it has %s, and data.%s is %v: want that only for pictures of bytes, and otherwise %v"
	bad.Require(!c.RandomFlip, only, a.Kind, "random_flip", c.RandomFlip, false)
	bad.Require(c.Dequantize == "" || c.Dequantize == DequantizeNone, only,
		a.Kind, "dequantization", c.Dequantize, DequantizeNone)
	bad.Require(c.Transform == "" || c.Transform == TransformNone, only,
		a.Kind, "transform", c.Transform, TransformNone)
	if err := bad.Err(); err != nil {
		return nil, err
	}
	return &table{Array: a, given: c.ConditionColumns, name: c.String(), order: deal{seed: seed}}, nil
}

// checkGiven returns an error unless the first n columns can be a condition and the others a sample.
func (a Array) checkGiven(n int) error {
	given := fmt.Sprintf("and data.condition_columns is %d", n)
	switch {
	case n == 0:
	case len(a.Shape) != 2:
		return fmt.Errorf("its shape is %v, %s: want [rows, columns]", a.Shape, given)
	case a.Bytes():
		return fmt.Errorf("it has %s, %s: want numbers of another type", a.Kind, given)
	case n >= a.Shape[1]:
		return fmt.Errorf("it has %d columns, %s: want fewer, so that the others are the sample", a.Shape[1], given)
	}
	return nil
}

// part returns the rows of a split. They share the memory of a.
func (a Array) part(split Split) Array {
	size, rows := a.size(), 0
	for i := range a.Shape[0] {
		if (i%10 == 9) == (split == Test) {
			copy(a.Values[rows*size:], a.Values[i*size:(i+1)*size])
			rows++
		}
	}
	a.Shape = append([]int{rows}, a.Shape[1:]...)
	a.Values = a.Values[:rows*size]
	if split == Test {
		a.Values = slices.Clone(a.Values) // so that the larger array can be freed
	}
	return a
}

// channelsFirst converts pictures [N, H, W, C], if layout says so, to [N, C, H, W]. With any layout, [N, H, W] has one
// channel. Without a layout, and always for bytes, pictures must have 1 or 3 channels. Another number means that the
// axes have another order.
func (a *Array) channelsFirst(layout Layout) error {
	switch {
	case len(a.Shape) == 4:
	case layout == "":
		return nil
	case len(a.Shape) == 3:
		a.Shape = slices.Insert(slices.Clone(a.Shape), 1, 1)
		return nil
	default:
		return fmt.Errorf("its shape is %v, and data.layout is %s: want pictures, as [N, C, H, W], [N, H, W, C] or "+
			"[N, H, W]", a.Shape, layout)
	}
	channels, order := a.Shape[1], "[N, C, H, W]"
	if layout == ChannelsLast {
		channels, order = a.Shape[3], "[N, H, W, C]"
	}
	if channels != 1 && channels != 3 && (layout == "" || a.Bytes()) {
		return fmt.Errorf("its shape is %v, which has %d channels as %s: want 1 or 3%s",
			a.Shape, channels, order, a.layoutHint(layout, channels))
	}
	if layout == ChannelsLast {
		a.Values = transposed(a.Values, a.Shape, []int{0, 3, 1, 2})
		a.Shape = []int{a.Shape[0], a.Shape[3], a.Shape[1], a.Shape[2]}
	}
	return nil
}

// layoutHint names the setting that would read an array.
func (a Array) layoutHint(layout Layout, channels int) string {
	isColour := func(n int) bool { return n == 1 || n == 3 }
	switch {
	case layout == "" && isColour(a.Shape[3]):
		return "; --set data.layout=channels_last reads [N, H, W, C]"
	case layout == "" && channels > 4 && isColour(a.Shape[3]-1):
		return fmt.Sprintf("; the %d of [N, H, W, C] have one for opacity: save it without, as x[..., :%d]", a.Shape[3],
			a.Shape[3]-1)
	case layout == ChannelsLast && isColour(a.Shape[1]):
		return "; without data.layout it is read as [N, C, H, W]"
	case layout == "" && !a.Bytes():
		return ", or data.layout, which says where they are"
	case channels%2 == 0 && channels <= 4:
		return ", without one for opacity"
	}
	return ""
}

// images interprets bytes, [N, H, W] or [N, C, H, W], as pictures.
func (a Array) images() (*Images, error) {
	shape := a.Shape[1:]
	if len(shape) == 2 {
		shape = append([]int{1}, shape...)
	}
	if len(shape) != 3 {
		return nil, fmt.Errorf("its shape is %v: want pictures of bytes as [N, C, H, W] or [N, H, W], "+
			"or rows of another type", a.Shape)
	}
	m := &Images{Channels: shape[0], Height: shape[1], Width: shape[2], Pixels: make([]byte, len(a.Values))}
	for i, v := range a.Values {
		m.Pixels[i] = byte(v)
	}
	return m, nil
}

// table is a Source of the unchanged rows of an array. The first given columns of a row are its condition, and the
// others the sample.
type table struct {
	Array
	given int
	name  string
	order deal
}

func (t *table) Name() string { return t.name }

// Len implements [Finite].
func (t *table) Len() int { return t.Array.Shape[0] }

// Rows returns the rows of the source, with their conditions, one after the other. The caller must not change them.
func (t *table) Rows() []float32 { return t.Values }

func (t *table) Shape() []int {
	shape := slices.Clone(t.Array.Shape[1:])
	shape[0] -= t.given
	return shape
}

func (t *table) Read(x []float32, first uint64) error {
	for size := t.size() - t.given; len(x) > 0; x, first = x[size:], first+1 {
		copy(x, t.row(first)[t.given:])
	}
	return nil
}

// Condition implements [Conditional].
func (t *table) Condition() Condition { return Condition{Size: t.given} }

// ReadCondition implements [Conditional].
func (t *table) ReadCondition(c []float32, first uint64) error {
	for ; len(c) > 0; c, first = c[t.given:], first+1 {
		copy(c, t.row(first)[:t.given])
	}
	return nil
}

// row returns the row of the array that sample i is made of.
func (t *table) row(i uint64) []float32 {
	size, k := t.size(), t.order.pick(i, t.Array.Shape[0])
	return t.Values[k*size : (k+1)*size]
}
