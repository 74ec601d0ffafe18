package nn

import "math"

// InstanceNormEpsilon is the number that instance norms add to a variance.
const InstanceNormEpsilon = 1e-5

// Conv describes a convolution of images: by default 3×3 with a bias, without a change of size.
type Conv struct {
	Out      int   // channels of the result
	Size     int   // of the kernel, odd; 0: 3
	Stride   int   // 0: 1
	Dilation int   // 0: 1
	Valid    bool  // no padding: only the windows within the image
	Flat     bool  // a kernel of 1×Size, for series: images of height 1; without a stride
	NoBias   bool  // no bias
	Init     *Init // of weight and bias; nil: ±1/√(in·Size²), as in PyTorch

	// Scale, if above 0, replaces Init: the weights are as of [Scaled], and the bias is 0.
	Scale float64
}

// window returns the window whose padding keeps the size of the image if the stride is 1 and the padding is not absent.
func (c Conv) window(b *Builder, name string) Window {
	w := Window{Size: or(c.Size, 3), Stride: or(c.Stride, 1), Dilation: or(c.Dilation, 1), Flat: c.Flat}
	if w.Flat && w.Stride != 1 {
		b.fail("%s: flat convolution with stride %d: want 1", name, w.Stride)
	}
	if w.Size < 1 || w.Size%2 == 0 || w.Stride < 1 || w.Dilation < 1 || c.Out < 1 {
		b.fail("%s: convolution %+v: want an odd size, and stride, dilation and channels of at least 1", name, c)
	}
	if !c.Valid {
		w.Pad = w.Dilation * (w.Size - 1) / 2
	}
	return w
}

func or(value, standard int) int {
	if value == 0 {
		return standard
	}
	return value
}

// init returns the initial distributions of the weights and of the bias, for the numbers of inputs and outputs of each
// weight.
func (c Conv) init(in, out int) (weights, biases Init) {
	switch {
	case c.Scale > 0:
		return Scaled(c.Scale, in, out), Init{}
	case c.Init != nil:
		return *c.Init, *c.Init
	}
	standard := Init{Bound: 1 / math.Sqrt(float64(in))}
	return standard, standard
}

// Conv returns the convolution c of images x [Batch, in, height, width], padded with zeros. Its parameters are
// name.weight [out, in, size, size] and name.bias [out]. Its stride must divide height and width or, without padding,
// the distance of the first window to the last that fits.
func (b *Builder) Conv(name string, x *Node, c Conv) *Node {
	b.wantImages(name, x)
	w, in := c.window(b, name), x.Shape[1]
	rest := 0 // that a stride may leave
	if c.Valid {
		rest = w.Dilation*(w.Size-1) + 1
	}
	if (x.Shape[2]-rest)%w.Stride != 0 || (x.Shape[3]-rest)%w.Stride != 0 {
		b.fail("%s: convolution of %v with stride %d: want one that divides height and width", name, x.Shape, w.Stride)
	}
	height, _ := w.height()
	weights, biases := c.init(in*height*w.Size, c.Out*height*w.Size)
	inputs := []*Node{x, b.Parameter(name+".weight", weights, c.Out, in, height, w.Size)}
	if !c.NoBias {
		inputs = append(inputs, b.Parameter(name+".bias", biases, c.Out))
	}
	return b.add(&Node{
		Op: OpConv, Name: name, Shape: b.windows(name, x, c.Out, w), Inputs: inputs, Window: w,
	})
}

// ConvTranspose returns the transpose of the convolution c from c.Out to x's channels, with its own bias. Images
// [Batch, in, height, width] become [Batch, c.Out, height·stride, width·stride]. Its parameters are name.weight [in,
// out, size, size] and name.bias [out]. The stride must be 1 or 2, and there must be no dilation.
func (b *Builder) ConvTranspose(name string, x *Node, c Conv) *Node {
	b.wantImages(name, x)
	w, in := c.window(b, name), x.Shape[1]
	if w.Flat || w.Stride > 2 || w.Dilation != 1 || w.Size < w.Stride || c.NoBias || c.Valid {
		b.fail("%s: transposed convolution %+v: "+
			"want a stride of 1 or 2 below the size, no dilation, padding and a bias", name, c)
	}
	weights, biases := c.init(c.Out*w.Size*w.Size, in*w.Size*w.Size)
	weight := b.Parameter(name+".weight", weights, in, c.Out, w.Size, w.Size)
	bias := b.Parameter(name+".bias", biases, c.Out)
	shape := []int{Batch, c.Out, x.Shape[2] * w.Stride, x.Shape[3] * w.Stride}
	return b.add(&Node{Op: OpConvTranspose, Name: name, Shape: shape, Inputs: []*Node{x, weight, bias}, Window: w})
}

// MeanPool returns the mean over size×size windows of images, stride apart. The padding is zeros, which count as
// elements.
func (b *Builder) MeanPool(name string, x *Node, size, stride, pad int) *Node {
	return b.pool(OpMeanPool, name, x, Window{Size: size, Stride: stride, Dilation: 1, Pad: pad})
}

// MaxPool returns the largest element of size×size windows of images, stride apart. The padding is minus infinity.
func (b *Builder) MaxPool(name string, x *Node, size, stride, pad int) *Node {
	return b.pool(OpMaxPool, name, x, Window{Size: size, Stride: stride, Dilation: 1, Pad: pad})
}

// pool allows a stride of 1 that keeps the size, and windows that tile the image. These can be differentiated.
func (b *Builder) pool(op Op, name string, x *Node, w Window) *Node {
	b.wantImages(name, x)
	keeps := w.Stride == 1 && w.Size%2 == 1 && w.Pad == w.Size/2
	tiles := w.Stride == w.Size && w.Pad == 0 && w.Size > 0 && x.Shape[2]%w.Size == 0 && x.Shape[3]%w.Size == 0
	if !keeps && !tiles {
		b.fail("%s: %s of %v with %+v: "+
			"want an odd size, stride 1 and half the size as padding, or windows that tile the image",
			name, op, x.Shape, w)
	}
	return b.add(&Node{Op: op, Name: name, Shape: b.windows(name, x, x.Shape[1], w), Inputs: []*Node{x}, Window: w})
}

// Upsample repeats every element of images factor×factor times.
func (b *Builder) Upsample(name string, x *Node, factor int) *Node {
	b.wantImages(name, x)
	if factor < 1 {
		b.fail("%s: upsampling by %d: want at least 1", name, factor)
	}
	shape := []int{Batch, x.Shape[1], x.Shape[2] * factor, x.Shape[3] * factor}
	return b.add(&Node{Op: OpUpsample, Name: name, Shape: shape, Inputs: []*Node{x}, Window: Window{Stride: factor}})
}

// Resize interpolates images bilinearly to height×width. The corners coincide. It returns x itself if x has this size.
func (b *Builder) Resize(name string, x *Node, height, width int) *Node {
	b.wantImages(name, x)
	if height < 1 || width < 1 {
		b.fail("%s: resize to %d×%d: want at least 1×1", name, height, width)
	}
	if x.Shape[2] == height && x.Shape[3] == width {
		return x
	}
	return b.add(&Node{Op: OpResize, Name: name, Shape: []int{Batch, x.Shape[1], height, width}, Inputs: []*Node{x}})
}

// SpaceToDepth moves blocks of size×size places to channels, [Batch, c, h, w] to [Batch, size²·c, h/size, w/size]. The
// channel of the result is (row·size + column)·c + channel.
func (b *Builder) SpaceToDepth(name string, x *Node, size int) *Node {
	b.wantImages(name, x)
	if size < 1 || x.Shape[2]%size != 0 || x.Shape[3]%size != 0 {
		b.fail("%s: %v in blocks of %d×%d: want blocks that tile the image", name, x.Shape, size, size)
	}
	shape := []int{Batch, x.Shape[1] * size * size, x.Shape[2] / size, x.Shape[3] / size}
	return b.add(&Node{Op: OpSpaceToDepth, Name: name, Shape: shape, Inputs: []*Node{x}, Window: Window{Stride: size}})
}

// DepthToSpace is the inverse of [Builder.SpaceToDepth].
func (b *Builder) DepthToSpace(name string, x *Node, size int) *Node {
	b.wantImages(name, x)
	if size < 1 || x.Shape[1]%(size*size) != 0 {
		b.fail("%s: %d channels to blocks of %d×%d: want a multiple of that", name, x.Shape[1], size, size)
	}
	shape := []int{Batch, x.Shape[1] / (size * size), x.Shape[2] * size, x.Shape[3] * size}
	return b.add(&Node{Op: OpDepthToSpace, Name: name, Shape: shape, Inputs: []*Node{x}, Window: Window{Stride: size}})
}

// InstanceNorm gives every channel of every image mean 0 and variance 1 over its places: (x - mean)/√(variance + 1e-5),
// with the biased variance and no parameters.
func (b *Builder) InstanceNorm(name string, x *Node) *Node {
	return b.instanceNorm(name, x, InstanceNormEpsilon)
}

// instanceNorm is InstanceNorm with another number than 1e-5.
func (b *Builder) instanceNorm(name string, x *Node, epsilon float64) *Node {
	if len(x.Shape) < 3 {
		b.fail("%s: instance norm of shape %v: want channels and places", name, x.Shape)
	}
	return b.add(&Node{Op: OpInstanceNorm, Name: name, Shape: x.Shape, Inputs: []*Node{x}, Values: []float64{epsilon}})
}

// GroupNorm is instance norm over the given number of groups of neighbouring channels (Wu & He 2018), followed by a
// trained scale name.weight and shift name.bias for each channel.
func (b *Builder) GroupNorm(name string, x *Node, groups int) *Node {
	return b.groupNorm(name, x, groups, InstanceNormEpsilon)
}

// groupNorm is GroupNorm with the given number added to the variances.
func (b *Builder) groupNorm(name string, x *Node, groups int, epsilon float64) *Node {
	b.wantImages(name, x)
	c, h, w := x.Shape[1], x.Shape[2], x.Shape[3]
	if groups < 1 || c%groups != 0 {
		b.fail("%s: %d channels in %d groups: want a divisor", name, c, groups)
	}
	grouped := b.instanceNorm(name+"/norm", b.Reshape(name+"/grouped", x, groups, c/groups*h*w), epsilon)
	scale := b.Parameter(name+".weight", Init{Mean: 1}, 1, c, 1, 1)
	shift := b.Parameter(name+".bias", Init{}, 1, c, 1, 1)
	return b.Add(name, b.Mul(name+"/scaled", b.Reshape(name+"/images", grouped, c, h, w), scale), shift)
}

func (b *Builder) wantImages(name string, x *Node) {
	if len(x.Shape) != 4 || x.Shape[0] != Batch {
		b.fail("%s: shape %v: want images [Batch, channels, height, width]", name, x.Shape)
	}
}

// windows returns the shape of the result of w on images x.
func (b *Builder) windows(name string, x *Node, channels int, w Window) []int {
	shape := []int{Batch, channels, w.places(x.Shape[2]), w.places(x.Shape[3])}
	if w.Flat {
		shape[2] = x.Shape[2]
	}
	if shape[2] < 1 || shape[3] < 1 {
		b.fail("%s: windows %+v do not fit into %v", name, w, x.Shape)
	}
	return shape
}
