package models

import (
	"fmt"
	"math"
	"slices"

	"github.com/langevin-ml/langevin/sampling"
)

func (p Process) sde() sampling.SDE {
	sde := sampling.SDE{Process: sampling.VP, BetaMin: p.BetaMin, BetaMax: p.BetaMax}
	if p.Kind == ProcessSubVP {
		sde.Process = sampling.SubVP
	}
	return sde
}

// The sigmas between which samplers work unless --sigmas says otherwise. Karras et al. (2022) sample from 80 to 0.002,
// and the processes of DDPM and Score SDE end at 157 and 152.
const (
	smallestSigma = 0.002
	largestSigma  = 160
)

// sigmaRange returns the largest and the smallest sigma that the network was trained for. VE has none of its own.
func (p Process) sigmaRange(l Level) (first, last float64) {
	switch {
	case l.Kind == LevelStep:
		table := p.steps(l.Steps)
		return table[len(table)-1], table[0]
	case p.Kind == ProcessVP || p.Kind == ProcessSubVP:
		sde := p.sde()
		return sde.Sigma(1), sde.Sigma(sde.SmallestTime())
	}
	return math.Inf(1), 0
}

// steps returns σ of each of n steps, which increases: √((1-ᾱ)/ᾱ) with the product ᾱ of 1 - β up to the step.
func (p Process) steps(n int) []float64 {
	sigmas, minusLog := make([]float64, n), 0.0
	for k := range sigmas {
		if p.Cumulative != nil {
			sigmas[k] = math.Sqrt((1 - p.Cumulative[k]) / p.Cumulative[k])
			continue
		}
		minusLog -= math.Log1p(-p.stepBeta(k, n))
		sigmas[k] = math.Sqrt(math.Expm1(minusLog))
	}
	return sigmas
}

// stepBeta returns β of step k of n.
func (p Process) stepBeta(k, n int) float64 {
	share := float64(k) / float64(n-1)
	switch {
	case p.Kind == ProcessCosine: // Nichol & Dhariwal 2021, section 3.2
		signal := func(t float64) float64 {
			c := math.Cos((t + p.Offset) / (1 + p.Offset) * math.Pi / 2)
			return c * c
		}
		return min(1-signal(float64(k+1)/float64(n))/signal(float64(k)/float64(n)), 0.999)
	case p.Kind == ProcessScaledVP:
		root := math.Sqrt(p.BetaMin)*(1-share) + math.Sqrt(p.BetaMax)*share
		return root * root
	}
	beta := p.BetaMin*(1-share) + p.BetaMax*share
	if p.BetaMax >= 1 {
		beta /= float64(n)
	}
	return beta
}

const (
	// mostRatio bounds the ratio of neighbouring sigmas of a noise schedule that is made for a process.
	mostRatio = 1.1

	// overlap is that of the published schedules of NCSNv2, technique 2.
	overlap = 0.567
)

// schedule fills what m leaves open with what the process says: the sigmas, in geometric steps by technique 2 of
// NCSNv2, the prior, and the step size by technique 4. If the network takes steps, the schedule goes through the steps'
// own sigmas.
func (p Process) schedule(m Manifest, l Level) (Manifest, error) {
	if p.Kind == ProcessVE {
		if n := len(m.Sigmas); n < 2 && l.Kind == LevelTime {
			return m, fmt.Errorf("--sigmas has %d levels: want at least the largest and the smallest sigma of the "+
				"process, for the times between them", n)
		}
		return m, nil
	}
	most, least := p.sigmaRange(l)
	if len(m.Sigmas) == 0 {
		var err error
		if m.Sigmas, err = p.sigmas(l, m.Dim()); err != nil {
			return m, err
		}
	}
	first, last := m.Sigmas[0], m.Sigmas[len(m.Sigmas)-1]
	if first > most*1.001 || last < least*0.999 && l.Kind == LevelStep {
		return m, fmt.Errorf("--sigmas goes from %g to %g: want %.6g to %.6g, the noise of process %s",
			first, last, most, least, p.Kind)
	}
	if m.Prior == (sampling.Prior{}) {
		m.Prior = sampling.Prior{Kind: sampling.PriorNormal, Std: m.Sigmas[0]}
	}
	if m.Sampler.StepLR != 0 {
		return m, nil
	}
	ratio := mostRatio
	if n := len(m.Sigmas); n > 1 {
		ratio = math.Pow(first/last, 1/float64(n-1))
	}
	var err error
	m.Sampler.StepLR, err = sampling.BestStepLR(last, ratio, max(m.Sampler.StepsPerLevel, 1))
	return m, err
}

// sigmas returns a schedule whose neighbours overlap as technique 2 of NCSNv2 wants in dim dimensions. The sigmas of a
// network that takes steps are those of steps.
func (p Process) sigmas(l Level, dim int) ([]float64, error) {
	first, last := p.sigmaRange(l)
	first, last = min(first, largestSigma), max(last, smallestSigma)
	ratio, err := sampling.LevelRatio(dim, overlap)
	if err != nil { // in a few dimensions levels overlap at any ratio
		ratio = mostRatio
	}
	if first <= last {
		return nil, fmt.Errorf("--process %s has sigmas up to %.3g only: give the range with --sigmas", p.Kind, first)
	}
	levels := 1 + math.Ceil(math.Log(first/last)/math.Log(min(ratio, mostRatio)))
	schedule, err := sampling.Geometric(first, last, int(min(levels, MaxLevels)))
	if err != nil || l.Kind != LevelStep {
		return schedule.Sigmas(), err
	}
	table := p.steps(l.Steps)
	slices.Reverse(table)
	steps, err := sampling.NewSchedule(table...)
	if err != nil {
		return nil, err
	}
	var through []float64
	for _, sigma := range schedule.Sigmas() {
		through = append(through, steps.Sigma(steps.Nearest(sigma)))
	}
	return slices.Compact(through), nil
}
