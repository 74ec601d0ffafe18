package nn

// Filter convolves each channel of images with the same taps in both directions, padded with pad zeros on each side.
// The taps are not trained, and are the same from behind. The size of the images may grow, by 2·pad + 1 - len(taps),
// and may not shrink.
func (b *Builder) Filter(name string, x *Node, pad int, taps ...float64) *Node {
	b.wantImages(name, x)
	w := Window{Size: len(taps), Stride: 1, Dilation: 1, Pad: pad}
	if len(taps) == 0 || pad < 0 || pad >= len(taps) || 2*pad+1 < len(taps) {
		b.fail("%s: filter of %d taps with padding %d: want at least one tap, and a padding from half of the others "+
			"to all of them", name, len(taps), pad)
	}
	for i, tap := range taps {
		if tap != taps[len(taps)-1-i] {
			b.fail("%s: taps %v: want the same from behind", name, taps)
		}
	}
	return b.add(&Node{Op: OpFilter, Name: name, Shape: b.windows(name, x, x.Shape[1], w), Inputs: []*Node{x},
		Values: taps, Window: w})
}

// outer returns the kernel of OpFilter, [Size, Size].
func (n *Node) outer() []float64 { return outer(n.Values) }

func outer(taps []float64) []float64 {
	kernel := make([]float64, 0, len(taps)*len(taps))
	for _, a := range taps {
		for _, c := range taps {
			kernel = append(kernel, a*c)
		}
	}
	return kernel
}

// The filter of StyleGAN2 (Karras et al. 2020) has the taps 1, 3, 3, 1. These are the mean of two neighbours after the
// taps 1, 2, 1. So its two forms below are operations that ONNX Runtime has fast kernels for: a filter of one channel
// each, and the mean of blocks or the repetition of elements.

// halved returns images at half the size, filtered with the taps 1, 3, 3, 1.
func (b *Builder) halved(name string, x *Node) *Node {
	return b.MeanPool(name, b.Filter(name+"/blurred", x, 1, 0.25, 0.5, 0.25), 2, 2, 0)
}

// doubled returns images at twice the size, with zeros between the elements, filtered with the taps 1, 3, 3, 1.
func (b *Builder) doubled(name string, x *Node) *Node {
	return b.Filter(name, b.Upsample(name+"/repeated", x, 2), 1, 0.25, 0.5, 0.25)
}

// halvedConv returns the 3×3 convolution of images, filtered with the taps 1, 3, 3, 1, at half the size. The filter
// reaches over the edges as far as the convolution sees, and the convolution has no padding. Its weights are as of
// [Scaled].
func (b *Builder) halvedConv(name string, x *Node, out int) *Node {
	wide := b.Filter(name+"/filtered", x, 2, 0.125, 0.375, 0.375, 0.125)
	return b.Conv(name, wide, Conv{Out: out, Stride: 2, Valid: true, Scale: 1})
}
