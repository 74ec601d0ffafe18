package nn

// InstanceNormPlus is the instance norm of Song & Ermon (2019, appendix A.1). It keeps the differences between the
// means of channels, which an instance norm removes. The formula is the one of their code. A channel c of an image has
// the mean μ_c and the norm h_c. m and v are the mean and the unbiased variance of the μ over the channels. The result
// is
//
//	γ_c (h_c + α_c (μ_c - m)/√(v + 1e-5)) + β_c
//
// (in the paper, the second term is outside of γ). The parameters are name.gamma and name.alpha, initialized from N(1,
// 0.02²), and name.beta, initialized with zeros, [1, channels, 1, 1] each. There must be at least 2 channels.
func (b *Builder) InstanceNormPlus(name string, x *Node) *Node {
	return b.instanceNormPlus(name, x, func(part string, init Init, channels int) *Node {
		return b.Parameter(name+"."+part, init, 1, channels, 1, 1)
	})
}

// ConditionalInstanceNormPlus is InstanceNormPlus with its own parameters for each noise level. The parameters are
// tables [levels, channels], and index, from [Builder.Nearest], selects the row.
func (b *Builder) ConditionalInstanceNormPlus(name string, x, index *Node) *Node {
	return b.instanceNormPlus(name, x, func(part string, init Init, channels int) *Node {
		row := b.lookUp(name+"/"+part+"_row", name+"."+part, index, init, channels)
		return b.Unsqueeze(name+"/"+part, row, 2, 3)
	})
}

func (b *Builder) instanceNormPlus(
	name string, x *Node, parameter func(part string, init Init, channels int) *Node,
) *Node {
	b.wantImages(name, x)
	channels := x.Shape[1]
	if channels < 2 {
		b.fail("%s: instance norm++ of 1 channel: want at least 2", name)
	}
	near1 := Init{Mean: 1, Std: 0.02}
	gamma := parameter("gamma", near1, channels)
	alpha := parameter("alpha", near1, channels)
	beta := parameter("beta", Init{}, channels)

	mu := b.ReduceMean(name+"/mu", x, 2, 3)
	centred := b.Sub(name+"/centred", mu, b.ReduceMean(name+"/m", mu, 1))
	biased := b.ReduceMean(name+"/biased", b.Mul(name+"/square", centred, centred), 1)
	v := b.Mul(name+"/v", biased, b.Constant(name+"/unbias", float64(channels)/float64(channels-1)))
	root := b.Sqrt(name+"/root", b.Add(name+"/above_zero", v, b.Constant(name+"/epsilon", InstanceNormEpsilon)))
	// Joining the terms of the means first takes two passes over the image instead of four.
	means := b.Mul(name+"/means", alpha, b.Div(name+"/normed_means", centred, root))
	shift := b.Add(name+"/shift", b.Mul(name+"/scaled_means", gamma, means), beta)
	return b.Add(name, b.Mul(name+"/scaled", b.InstanceNorm(name+"/h", x), gamma), shift)
}
