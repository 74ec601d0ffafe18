package nn

import (
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/graph"
)

// channelsFirst returns the layout of images [batch, channels, height, width] and of kernels [out, in, size, size].
func channelsFirst() compute.ConvolveAxesConfig {
	return compute.ConvolveAxesConfig{
		InputBatch: 0, InputChannels: 1, InputSpatial: []int{2, 3},
		KernelOutputChannels: 0, KernelInputChannels: 1, KernelSpatial: []int{2, 3},
		OutputBatch: 0, OutputChannels: 1, OutputSpatial: []int{2, 3},
	}
}

// convolve keeps every Stride-th place of a convolution without a stride, because GoMLX cannot differentiate one with a
// stride on ONNX Runtime.
func convolve(x, weight *graph.Node, w Window) *graph.Node {
	height, above := w.height()
	sizes, pads, padding := []int{height, w.Size}, []int{above, w.Pad}, make([][2]int, 2)
	for i, length := range x.Shape().Dimensions[2:] {
		places := length + 2*pads[i] - w.Dilation*(sizes[i]-1)
		padding[i] = [2]int{pads[i], pads[i] + (w.Stride-places%w.Stride)%w.Stride} // so that tiles fit
	}
	y := graph.Convolve(x, weight).AxesConfig(channelsFirst()).Dilations(w.Dilation).PaddingPerDim(padding).Done()
	if w.Stride == 1 {
		return y
	}
	first, all := graph.AxisElem(0), graph.AxisRange()
	corners := graph.Slice(tiles(y, w.Stride), all, all, all, first, all, first)
	return graph.Squeeze(corners, 3, 5)
}

// shifted adds a bias to each channel.
func shifted(images, bias *graph.Node) *graph.Node {
	return graph.Add(images, graph.Reshape(bias, 1, -1, 1, 1))
}

// transposed computes a transposed convolution as a convolution, whose gradient GoMLX knows. It convolves x, with zeros
// between its elements, with the mirrored kernel.
func (w Window) transposed(x, weight *graph.Node) *graph.Node {
	if w.Stride == 2 {
		x = spread(spread(x, 2), 3)
	}
	mirrored := graph.Transpose(graph.Reverse(weight, 2, 3), 0, 1)
	pad := w.Size - 1 - w.Pad
	return convolve(x, mirrored, Window{Size: w.Size, Stride: 1, Dilation: 1, Pad: pad})
}

// spread inserts a zero behind every element along an axis.
func spread(x *graph.Node, axis int) *graph.Node {
	pairs := graph.ExpandAxes(x, axis+1)
	doubled := x.Shape().Clone().Dimensions
	doubled[axis] *= 2
	return graph.Reshape(graph.Concatenate([]*graph.Node{pairs, graph.ZerosLike(pairs)}, axis+1), doubled...)
}

// tiles divides images into blocks of size×size: [batch, channels, height/size, size, width/size, size].
func tiles(x *graph.Node, size int) *graph.Node {
	d := x.Shape().Dimensions
	return graph.Reshape(x, d[0], d[1], d[2]/size, size, d[3]/size, size)
}

// meanPool computes the mean of blocks if the windows tile the image, because GoMLX cannot differentiate a window with
// a stride on ONNX Runtime. It sums the blocks with a product with ones and zeros, the transpose of the one in
// [upsample].
func (w Window) meanPool(x *graph.Node) *graph.Node {
	if w.Stride > 1 {
		d := x.Shape().Dimensions
		height, width := d[2]/w.Size, d[3]/w.Size
		sums := graph.MatMul(graph.Reshape(x, d[0]*d[1]*height, w.Size*d[3]),
			graph.Transpose(repetition(x, width, w.Size), 0, 1))
		return graph.MulScalar(graph.Reshape(sums, d[0], d[1], height, width), 1/float64(w.Size*w.Size))
	}
	padding := [][2]int{{0, 0}, {0, 0}, {w.Pad, w.Pad}, {w.Pad, w.Pad}}
	sum := graph.SumPool(x).FullShape().WindowPerAxis(1, 1, w.Size, w.Size).Strides(1).PaddingPerDim(padding).Done()
	return graph.MulScalar(sum, 1/float64(w.Size*w.Size))
}

func (w Window) maxPool(x *graph.Node) *graph.Node {
	if w.Stride > 1 {
		return graph.ReduceMax(tiles(x, w.Size), 3, 5)
	}
	return w.largest(w.largest(x, 2), 3)
}

// largest returns the maximum of windows along one axis. It uses shifted copies, because GoMLX's gradient of
// overlapping windows is wrong on ONNX Runtime.
func (w Window) largest(x *graph.Node, axis int) *graph.Node {
	padding := make([]compute.PadAxis, x.Rank())
	padding[axis] = compute.PadAxis{Start: w.Pad, End: w.Pad}
	padded := graph.Pad(x, graph.Infinity(x.Graph(), x.DType(), -1), padding...)
	var result *graph.Node
	for i := range w.Size {
		ranges := []graph.SliceAxisSpec{graph.AxisRange(), graph.AxisRange(), graph.AxisRange(), graph.AxisRange()}
		ranges[axis] = graph.AxisRange(i, i+x.Shape().Dimensions[axis])
		shifted := graph.Slice(padded, ranges...)
		if result == nil {
			result = shifted
		} else {
			result = graph.Max(result, shifted)
		}
	}
	return result
}

// upsample is a product with ones and zeros, which is exact. ONNX Runtime is slow at expanding inner axes.
func upsample(x *graph.Node, factor int) *graph.Node {
	d := x.Shape().Dimensions
	rows := graph.MatMul(graph.Reshape(x, d[0]*d[1]*d[2], d[3]), repetition(x, d[3], factor))
	return graph.Reshape(rows, d[0], d[1], d[2]*factor, d[3]*factor)
}

// repetition returns the matrix [n, times·n·times] that writes a row of n elements the given number of times, with each
// element repeated as often.
func repetition(like *graph.Node, n, times int) *graph.Node {
	matrix := make([][]float64, n)
	for i := range matrix {
		row := make([]float64, n*times)
		for j := range times {
			row[i*times+j] = 1
		}
		matrix[i] = slices.Repeat(row, times)
	}
	return graph.ConstAs(like, matrix)
}

// resize is a product with a constant matrix for each of the two axes.
func resize(x *graph.Node, height, width int) *graph.Node {
	d := x.Shape().Dimensions
	across := graph.MatMul(graph.Reshape(x, d[0]*d[1]*d[2], d[3]),
		graph.Transpose(graph.ConstAs(x, interpolation(width, d[3])), 0, 1))
	across = graph.Transpose(graph.Reshape(across, d[0]*d[1], d[2], width), 1, 2)
	down := graph.MatMul(graph.Reshape(across, d[0]*d[1]*width, d[2]),
		graph.Transpose(graph.ConstAs(x, interpolation(height, d[2])), 0, 1))
	return graph.Reshape(graph.Transpose(graph.Reshape(down, d[0]*d[1], width, height), 1, 2),
		d[0], d[1], height, width)
}

// interpolation returns the matrix [n, m] that interpolates n places linearly from m. The ends coincide.
func interpolation(n, m int) [][]float64 {
	matrix := make([][]float64, n)
	for i := range matrix {
		matrix[i] = make([]float64, m)
		first, second, share := between(i, n, m)
		matrix[i][first] += 1 - share
		matrix[i][second] += share
	}
	return matrix
}

func spaceToDepth(x *graph.Node, size int) *graph.Node {
	d := x.Shape().Dimensions
	blocks := graph.TransposeAllAxes(tiles(x, size), 0, 3, 5, 1, 2, 4)
	return graph.Reshape(blocks, d[0], d[1]*size*size, d[2]/size, d[3]/size)
}

func depthToSpace(x *graph.Node, size int) *graph.Node {
	d := x.Shape().Dimensions
	channels := d[1] / (size * size)
	blocks := graph.TransposeAllAxes(graph.Reshape(x, d[0], size, size, channels, d[2], d[3]), 0, 3, 4, 1, 5, 2)
	return graph.Reshape(blocks, d[0], channels, d[2]*size, d[3]*size)
}

// filter convolves each channel with the taps of n. Where the result is larger than x, x gets zeros to be as large.
func (n *Node) filter(x *graph.Node) *graph.Node {
	w := n.Window
	if more := 2*w.Pad - w.Size + 1; more > 0 {
		end := compute.PadAxis{End: more}
		x = graph.Pad(x, graph.ScalarZero(x.Graph(), x.DType()), compute.PadAxis{}, compute.PadAxis{}, end, end)
	}
	return filterSame(x, n.Values, w.Pad)
}

// filterSame convolves each channel with the taps in both directions, with the given number of zeros before the first
// element and as many behind the last as keep the size. Its derivative convolves with the taps from behind, which are
// the same. GoMLX's own derivative would convolve each channel in an operation of its own.
func filterSame(x *graph.Node, taps []float64, before int) *graph.Node {
	behind, channels := len(taps)-1-before, x.Shape().Dimensions[1]
	kernel := graph.Reshape(graph.ConstAs(x, outer(taps)), 1, 1, len(taps), len(taps))
	kernel = graph.BroadcastToDims(kernel, channels, 1, len(taps), len(taps))
	y := graph.Convolve(x, kernel).AxesConfig(channelsFirst()).ChannelGroupCount(channels).
		PaddingPerDim([][2]int{{before, behind}, {before, behind}}).Done()
	return withGradient(x, y, func(v *graph.Node) *graph.Node { return filterSame(v, taps, behind) })
}

// instanceNorm returns y = (x - μ)·r over each channel of an image, where r is 1 over the standard deviation. It maps
// the gradient v with respect to y to r·(v - mean(v) - y·mean(v·y)). This takes a third of the operations that
// differentiating step by step takes.
func instanceNorm(x *graph.Node, epsilon float64) *graph.Node {
	axes := make([]int, x.Rank()-2)
	for i := range axes {
		axes[i] = i + 2
	}
	mean := func(x *graph.Node) *graph.Node { return graph.ReduceAndKeep(x, graph.ReduceMean, axes...) }
	centred := graph.Sub(x, mean(x))
	r := graph.Reciprocal(graph.Sqrt(graph.AddScalar(mean(graph.Square(centred)), epsilon)))
	y := graph.Mul(centred, r)
	return withGradient(x, y, func(v *graph.Node) *graph.Node {
		return graph.Mul(r, graph.Sub(graph.Sub(v, mean(v)), graph.Mul(y, mean(graph.Mul(v, y)))))
	})
}
