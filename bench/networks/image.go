package main

import (
	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/sampling"
)

// imageNetwork returns a residual network for 28×28 grey images like NCSN's: instance norm, SiLU and 3×3 convolutions.
// It works at full resolution with 32 channels, at half resolution with 96 channels and growing dilation, and at full
// resolution again. The output is divided by sigma, as in NCSNv2. The schedule and the step size are NCSN's for MNIST.
func imageNetwork() network {
	const side, outer, inner = 28, 32, 96
	g := newGraph("image", 1, side, side)
	h := g.conv("stem", models.InputX, shape{1, side}, outer, 1)
	h = g.block("outer1", h, shape{outer, side}, 1)
	h = g.block("outer2", h, shape{outer, side}, 1)
	skip := h
	h = g.halve(h)
	h = g.conv("down", h, shape{outer, side / 2}, inner, 1)
	h = g.block("inner1", h, shape{inner, side / 2}, 1)
	h = g.block("inner2", h, shape{inner, side / 2}, 1)
	h = g.block("inner3", h, shape{inner, side / 2}, 2)
	h = g.block("inner4", h, shape{inner, side / 2}, 2)
	h = g.block("inner5", h, shape{inner, side / 2}, 4)
	h = g.double(h)
	h = g.node("Add", "joined", g.conv("up", h, shape{inner, side}, outer, 1), skip)
	h = g.block("outer3", h, shape{outer, side}, 1)
	h = g.activate("head", h, outer)
	h = g.conv("head", h, shape{outer, side}, 1, 1)
	g.node("Div", models.OutputScore, h, g.node("Reshape", "sigma_image", models.InputSigma,
		g.ints("axes", -1, 1, 1, 1)))
	return network{model: g.model, manifest: imageManifest(side), cost: g.cost}
}

func imageManifest(side int) models.Manifest {
	sigmas := []float64{1, 0.5994843, 0.3593814, 0.2154435, 0.1291550, 0.07742637, 0.04641589, 0.02782559, 0.01668101,
		0.01}
	return models.Manifest{
		Format: models.Format, Name: "image", Shape: []int{1, side,
			side}, Parameterization: models.ParameterizationScore,
		Sigmas: sigmas, Range: models.Range{Low: 0, High: 1},
		Prior:   sampling.Prior{Kind: sampling.PriorUniform, Low: 0, High: 1},
		Sampler: models.Sampler{Kind: models.SamplerAnnealedLangevin, StepsPerLevel: 100, StepLR: 2e-5},
	}
}

// block appends x + conv(act(conv(act(x)))) with the same number of channels.
func (g *graph) block(name, x string, in shape, dilation int) string {
	h := g.conv(name+".1", g.activate(name+".1", x, in.channels), in, in.channels, dilation)
	h = g.conv(name+".2", g.activate(name+".2", h, in.channels), in, in.channels, dilation)
	return g.node("Add", name, x, h)
}

// activate appends SiLU of instance norm, with a learned scale and shift for each channel.
func (g *graph) activate(name, x string, channels int) string {
	scale, shift := name+".scale", name+".shift"
	g.floats(scale, 0.5, 1.5, channels)
	g.floats(shift, -0.1, 0.1, channels)
	h := g.node("InstanceNormalization", name+".norm", x, scale, shift)
	return g.node("Mul", name+".silu", h, g.node("Sigmoid", name+".gate", h))
}
