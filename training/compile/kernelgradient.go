package compile

import (
	"errors"
	"reflect"

	"github.com/gomlx/compute"
)

// ConvGeneral computes the gradient of a convolution's kernel in its own way:
//
//	dW[o, c, i, j] = Σ_bhw dY[b, o, h, w] X[b, c, h + i·d - p, w + j·d - p]
//
// GoMLX computes it as a convolution of X by dY. This is a product of matrices with one column for each place of the
// kernel. It is slow and never shared among threads. Here dY is moved up and down, once for each row of the kernel, and
// X is moved to the left and right, once for each column. dW is the product of the two over all of b, h and w. This
// takes the same number of operations in matrices of a better shape, and the copies cost less than the shape gains. If
// X has few channels, nothing is gained, and GoMLX computes the gradient.
func (f ownFunction) ConvGeneral(
	input, kernel compute.Value, axes compute.ConvolveAxesConfig, strides []int, paddings [][2]int,
	inputDilations, kernelDilations []int, channelGroups, batchGroups int,
) (compute.Value, error) {
	general := func() (compute.Value, error) {
		y, err := f.Function.ConvGeneral(input, kernel, axes, strides, paddings, inputDilations, kernelDilations,
			channelGroups, batchGroups)
		if err == nil && channelGroups <= 1 && batchGroups <= 1 {
			err = f.note(y, kernel, axes)
		}
		return y, err
	}
	if !reflect.DeepEqual(axes, kernelGradientAxes()) || dilated(inputDilations) || dilated(kernelDilations) ||
		channelGroups > 1 || batchGroups > 1 {
		return general()
	}
	x, errX := f.Shape(input)
	dy, errDY := f.Shape(kernel)
	if err := errors.Join(errX, errDY); err != nil {
		return nil, err
	}
	if x.Dimensions[1] < fewestColumns {
		return general()
	}
	vertical, okV := newTaps(x.Dimensions[2], dy.Dimensions[2], 0, strides, paddings)
	horizontal, okH := newTaps(x.Dimensions[3], dy.Dimensions[3], 1, strides, paddings)
	if !okV || !okH {
		return general()
	}
	return f.kernelGradient(input, kernel, x.Dimensions, dy.Dimensions, vertical, horizontal)
}

// note records the shape of a convolution's kernel, which the ONNX graph does not have. It ignores convolutions whose
// result is transposed.
func (f ownFunction) note(y, kernel compute.Value, axes compute.ConvolveAxesConfig) error {
	shape, err := f.Shape(kernel)
	node, ok := y.(interface {
		Name() string
		OpType() string
	})
	if err != nil || !ok || node.OpType() != "Conv" || shape.Rank() != 4 {
		return err
	}
	d := shape.Dimensions
	f.convolutions[node.Name()] = convolution{
		out: d[axes.KernelOutputChannels], in: d[axes.KernelInputChannels],
		height: d[axes.KernelSpatial[0]], width: d[axes.KernelSpatial[1]],
	}
	return nil
}

// fewestColumns is the number of channels of X from which the product pays. Each channel gives one column.
const fewestColumns = 8

// kernelGradientAxes returns the axes with which GoMLX asks for the gradient of the kernel of a channelsFirst
// convolution: images and channels have changed places.
func kernelGradientAxes() compute.ConvolveAxesConfig {
	return compute.ConvolveAxesConfig{
		InputBatch: 1, InputChannels: 0, InputSpatial: []int{2, 3},
		KernelInputChannels: 0, KernelOutputChannels: 1, KernelSpatial: []int{2, 3},
		OutputBatch: 1, OutputChannels: 0, OutputSpatial: []int{2, 3},
	}
}

func dilated(dilations []int) bool {
	for _, d := range dilations {
		if d > 1 {
			return true
		}
	}
	return false
}

// taps are the places of a kernel along one axis, each as an offset in the image.
type taps struct {
	x, dy  int // lengths of the images' axes
	offset []int
}

// newTaps returns ok = false if a tap would lie outside of the image everywhere.
func newTaps(x, dy, axis int, strides []int, paddings [][2]int) (t taps, ok bool) {
	stride, padding := 1, [2]int{}
	if strides != nil {
		stride = strides[axis]
	}
	if paddings != nil {
		padding = paddings[axis]
	}
	t = taps{x: x, dy: dy}
	for i := range (x+padding[0]+padding[1]-dy)/stride + 1 {
		at := i*stride - padding[0]
		if at <= -dy || at >= x {
			return t, false
		}
		t.offset = append(t.offset, at)
	}
	return t, true
}

// kernelGradient returns the gradient, [out, in, height, width], for x [batch, in, ...] and dy [batch, out, ...].
func (f ownFunction) kernelGradient(
	input, output compute.Value, x, dy []int, vertical, horizontal taps,
) (compute.Value, error) {
	b := &operations{function: f.Function}
	xs, dys := b.transpose(input, 1, 0, 2, 3), b.transpose(output, 1, 0, 2, 3)
	places := x[0] * x[2] * dy[3]

	// This is dY from the side of X: moved down by each row's offset. All of an image is one axis here, so that the
	// copies are longer.
	var rows []compute.Value
	whole := b.reshape(dys, dy[1]*x[0], dy[2]*dy[3])
	for _, at := range vertical.offset {
		rows = append(rows, b.reshape(b.moved(whole, 1, at*dy[3], (vertical.x-vertical.dy-at)*dy[3]), dy[1], places))
	}
	moved := b.concatenate(0, rows)

	var columns []compute.Value // for each column of the kernel, [rows, out, in, 1]
	for _, at := range horizontal.offset {
		seen := b.reshape(b.sideways(xs, x, at, dy[3]), x[1], places)
		columns = append(columns, b.reshape(b.product(moved, seen), len(rows), dy[1], x[1], 1))
	}
	gradient := b.transpose(b.concatenate(3, columns), 1, 2, 0, 3)
	return gradient, b.err
}

// sideways returns the given number of columns of xs, [in, batch, height, width], from column at on. Columns outside of
// xs are zero.
func (b *operations) sideways(xs compute.Value, x []int, at, columns int) compute.Value {
	height, width := x[2], x[3]
	if columns != width || at == 0 {
		return b.moved(xs, 3, -at, at+columns-width)
	}
	// The image is moved as a whole, again for longer copies. So the end of a row enters the next row, where the mask
	// sets it to zero.
	mask := make([]float32, height*width)
	for i := range mask {
		if from := i%width + at; from >= 0 && from < width {
			mask[i] = 1
		}
	}
	all := b.moved(b.reshape(xs, x[1]*x[0], height*width), 1, -at, at)
	return b.do(func() (compute.Value, error) {
		factors, err := b.function.Constant(mask, 1, height*width)
		if err != nil {
			return nil, err
		}
		return b.function.Mul(all, factors)
	})
}

// operations adds operations to a function until one fails.
type operations struct {
	function compute.Function
	err      error
}

func (b *operations) do(operation func() (compute.Value, error)) (result compute.Value) {
	if b.err == nil {
		result, b.err = operation()
	}
	return result
}

func (b *operations) transpose(x compute.Value, axes ...int) compute.Value {
	return b.do(func() (compute.Value, error) { return b.function.Transpose(x, axes...) })
}

func (b *operations) reshape(x compute.Value, dims ...int) compute.Value {
	return b.do(func() (compute.Value, error) { return b.function.Reshape(x, dims...) })
}

func (b *operations) concatenate(axis int, parts []compute.Value) compute.Value {
	if len(parts) == 1 {
		return parts[0]
	}
	return b.do(func() (compute.Value, error) { return b.function.Concatenate(axis, parts...) })
}

// moved adds the given numbers of zeros before and behind along an axis. A negative number removes elements.
func (b *operations) moved(x compute.Value, axis, before, behind int) compute.Value {
	if before == 0 && behind == 0 {
		return x
	}
	padding := make([]compute.PadAxis, axis+1)
	padding[axis] = compute.PadAxis{Start: before, End: behind}
	zero := b.do(func() (compute.Value, error) { return b.function.Constant([]float32{0}) })
	return b.do(func() (compute.Value, error) { return b.function.Pad(x, zero, padding...) })
}

// product returns a times the transpose of c.
func (b *operations) product(a, c compute.Value) compute.Value {
	return b.do(func() (compute.Value, error) {
		return b.function.DotGeneral(a, []int{1}, nil, c, []int{1}, nil, compute.DotGeneralConfig{})
	})
}
