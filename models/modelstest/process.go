package modelstest

import (
	"fmt"
	"math"
	"slices"

	"github.com/gomlx/compute-onnx/support/protos"

	"github.com/langevin-ml/langevin/models"
)

// The data of [OfProcess]: N(ProcessMean, ProcessStd²·I).
const (
	ProcessMean = 1.5
	ProcessStd  = 0.6
)

// OfProcess returns the best network that a training on N(ProcessMean, ProcessStd²·I) can give. Its inputs are z and
// level. f says what the level is and what the network computes; its fields that have defaults must be set. The network
// computes in float64, and gets sigma from the time by the formulas of the process. sigmas is the schedule of a network
// of VE that takes a label or a time, and otherwise the sigmas of the steps. If whole, the level is an int64. shape is
// the shape of a sample.
func OfProcess(f models.Foreign, whole bool, sigmas []float64, shape ...int) *protos.ModelProto {
	p := processGraph{newGraph("process", shape), f, sigmas}
	level, z := Value("level"), Value("z", shape...)
	if whole {
		level.Type = integersOfRows()
	}
	p.model.Graph.Input = []*protos.ValueInfoProto{z, level}
	p.model.Graph.Output = []*protos.ValueInfoProto{Value("out", shape...)}
	alpha, s := p.scales(whole)
	sigma := p.perRow(p.add("Div", s, alpha))
	alpha, s = p.perRow(alpha), p.perRow(s)
	x := p.add("Div", p.double("z"), alpha)
	variance := p.add("Add", p.square(sigma), p.number(ProcessStd*ProcessStd))
	slope := p.add("Div", p.add("Sub", p.number(ProcessMean), x), variance) // the score at x
	noise := p.add("Neg", p.add("Mul", sigma, slope))
	denoised := p.add("Add", x, p.add("Mul", p.square(sigma), slope))
	out := map[models.Computed]func() string{
		models.ComputesScore:    func() string { return p.add("Div", slope, alpha) },
		models.ComputesNoise:    func() string { return noise },
		models.ComputesDenoised: func() string { return denoised },
		models.ComputesV:        func() string { return p.v(alpha, s, noise, denoised) },
		models.ComputesMinusV:   func() string { return p.add("Neg", p.v(alpha, s, noise, denoised)) },
		models.ComputesEDM:      func() string { return p.edm(x, sigma, denoised) },
	}[f.Computes]()
	p.addAs("out", "Cast", out)
	p.set("to", int64(protos.TensorProto_FLOAT))
	return p.model
}

// processGraph writes float64 nodes.
type processGraph struct {
	*graph
	f      models.Foreign
	sigmas []float64
}

func (p processGraph) double(value string) string {
	output := p.add("Cast", value)
	p.set("to", int64(protos.TensorProto_DOUBLE))
	return output
}

func (p processGraph) number(values ...float64) string {
	p.count++
	tensor := &protos.TensorProto{
		Name:     fmt.Sprintf("number_%d", p.count),
		DataType: int32(protos.TensorProto_DOUBLE), DoubleData: values,
	}
	if len(values) > 1 {
		tensor.Dims = []int64{int64(len(values))}
	}
	p.model.Graph.Initializer = append(p.model.Graph.Initializer, tensor)
	return tensor.Name
}

func (p processGraph) square(x string) string { return p.add("Mul", x, x) }
func (p processGraph) root(x string) string   { return p.add("Sqrt", x) }

func (p processGraph) linear(x string, slope, start float64) string {
	return p.add("Add", p.add("Mul", x, p.number(slope)), p.number(start))
}

// scales returns α and s of the level, [N].
func (p processGraph) scales(whole bool) (alpha, s string) {
	takes := p.f.Takes
	switch takes.Kind {
	case models.LevelTime:
		u := p.linear(p.double("level"), 1/(takes.Last-takes.First), -takes.First/(takes.Last-takes.First))
		return p.timed(u)
	case models.LevelLabel, models.LevelStep:
		return p.ofSigma(p.selected(whole))
	case models.LevelLogSigma:
		return p.ofSigma(p.add("Exp", p.linear(p.double("level"), 1/takes.Factor, 0)))
	}
	return p.ofSigma(p.double("level"))
}

// selected returns the sigma of an index, or between two by the fraction of the index.
func (p processGraph) selected(whole bool) string {
	if whole {
		return p.add("Gather", p.number(p.sigmas...), "level")
	}
	index := func(value string) string {
		output := p.add("Cast", value)
		p.set("to", int64(protos.TensorProto_INT64))
		return output
	}
	logs := slices.Clone(p.sigmas)
	for i, sigma := range logs {
		logs[i] = math.Log(sigma)
	}
	table := p.number(logs...)
	floor := p.add("Floor", "level")
	low, high := p.add("Gather", table, index(floor)), p.add("Gather", table, index(p.add("Ceil", "level")))
	fraction := p.add("Sub", p.double("level"), p.double(floor))
	return p.add("Exp", p.add("Add", low, p.add("Mul", fraction, p.add("Sub", high, low))))
}

// ofSigma returns α and s = σα.
func (p processGraph) ofSigma(sigma string) (alpha, s string) {
	one := p.number(1)
	switch p.f.Process.Kind {
	case models.ProcessVE:
		alpha = p.add("Div", sigma, sigma)
	case models.ProcessFlow:
		alpha = p.add("Div", one, p.add("Add", one, sigma))
	case models.ProcessEDM:
		std := p.f.Process.DataStd
		alpha = p.add("Div", one, p.root(p.add("Add", p.square(sigma), p.number(std*std))))
	case models.ProcessSubVP: // α² + σα - 1 = 0
		alpha = p.linear(p.add("Sub", p.root(p.add("Add", p.square(sigma), p.number(4))), sigma), 0.5, 0)
	default:
		alpha = p.add("Div", one, p.root(p.add("Add", p.square(sigma), one)))
	}
	return alpha, p.add("Mul", sigma, alpha)
}

// timed returns α and s of a time from 0 to 1.
func (p processGraph) timed(t string) (alpha, s string) {
	process, one := p.f.Process, p.number(1)
	switch process.Kind {
	case models.ProcessVE:
		first, last := math.Log(p.sigmas[0]), math.Log(p.sigmas[len(p.sigmas)-1])
		return p.add("Div", one, one), p.add("Exp", p.linear(t, first-last, last))
	case models.ProcessFlow:
		return p.add("Sub", one, t), t
	case models.ProcessCosine:
		scale := math.Pi / 2 / (1 + process.Offset)
		cosine := p.add("Sin", p.linear(t, -scale, math.Pi/2-scale*process.Offset))
		alpha = p.linear(cosine, 1/math.Cos(scale*process.Offset), 0)
		return alpha, p.root(p.add("Sub", one, p.square(alpha)))
	}
	integral := p.add("Mul", t, p.linear(t, (process.BetaMax-process.BetaMin)/2, process.BetaMin))
	alpha = p.add("Exp", p.linear(integral, -0.5, 0))
	s = p.add("Sub", one, p.square(alpha))
	if process.Kind == models.ProcessVP {
		s = p.root(s)
	}
	return alpha, s
}

func (p processGraph) v(alpha, s, noise, denoised string) string {
	if p.f.Process.Kind == models.ProcessFlow {
		return p.add("Sub", noise, denoised)
	}
	return p.add("Sub", p.add("Mul", alpha, noise), p.add("Mul", s, denoised))
}

// edm returns F with denoised = c_skip·x + c_out·F (Karras et al. 2022, table 1).
func (p processGraph) edm(x, sigma, denoised string) string {
	std := p.f.Process.DataStd
	total := p.add("Add", p.square(sigma), p.number(std*std))
	skip := p.add("Div", p.number(std*std), total)
	out := p.add("Div", p.linear(sigma, std, 0), p.root(total))
	return p.add("Div", p.add("Sub", denoised, p.add("Mul", skip, x)), out)
}
