package models

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/langevin-ml/langevin/sampling"
)

// ProcessKind names the way in which a foreign network's training mixed the data x₀ with noise ε, z = αx₀ + sε, where z
// is the network's input. The network has the denoiser of sigma σ = s/α.
type ProcessKind string

// The kinds of [Process].
const (
	ProcessVE       ProcessKind = "ve"        // α = 1: NCSN, the VE networks of Score SDE, whole denoisers of EDM
	ProcessVP       ProcessKind = "vp"        // α² + s² = 1, β linear: DDPM, the VP networks of Score SDE
	ProcessScaledVP ProcessKind = "vp_scaled" // α² + s² = 1, √β linear over the steps: latent diffusion
	ProcessSubVP    ProcessKind = "sub_vp"    // s = 1 - α², β linear: the sub-VP networks of Score SDE
	ProcessCosine   ProcessKind = "cosine"    // α² + s² = 1, α the cosine of the time: improved DDPM, v-diffusion
	ProcessFlow     ProcessKind = "flow"      // α = 1 - t, s = t: rectified flow, flow matching
	ProcessEDM      ProcessKind = "edm"       // α = c_in = 1/√(σ² + DataStd²): EDM's network F within its denoiser
)

// Process is the process of a foreign network with its parameters. The zero Process is VE.
type Process struct {
	Kind ProcessKind // if empty, VE

	// BetaMin and BetaMax are β(0) and β(1) of VP and sub-VP on times from 0 to 1, as of [sampling.SDE]; 0.1 and 20 if
	// both are zero. For a network that takes one of N steps, BetaMax below 1 says that they are the first and the last
	// step's own β, as in DDPM; otherwise these are BetaMin/N and BetaMax/N, as in Score SDE. ScaledVP has the betas of
	// steps only; 0.00085 and 0.012 if both are zero.
	BetaMin, BetaMax float64

	// Offset is s of the cosine schedule (Nichol & Dhariwal 2021, equation 17), at least 0 and below 1. They use 0.008.
	Offset float64

	// DataStd is σ_data of EDM (Karras et al. 2022, table 1); 0.5 if zero.
	DataStd float64
}

// Computed names what a foreign network computes.
type Computed string

// What networks compute. The words of [Parameterization] mean the same, with the gradient of the density of the
// network's own input for a score.
const (
	ComputesScore    Computed = "score"
	ComputesNoise    Computed = "noise"
	ComputesDenoised Computed = "denoised"
	ComputesV        Computed = "v"       // αε - s·x₀ of VP and cosine (Salimans & Ho 2022); ε - x₀ of flow
	ComputesMinusV   Computed = "minus_v" // -v: x₀ - ε of flow, as in the code of rectified flow
	ComputesEDM      Computed = "edm"     // F of EDM's denoiser c_skip·x + c_out·F
)

// Level says in which form a foreign network takes the noise level. The zero Level lets [Adopt] find out.
type Level struct {
	Kind LevelKind // if empty, the usual one of the process for the type of the input

	Steps int // of LevelStep, 2 to [MaxLevels]

	// First and Last are what a network with LevelTime gets for time 0, the data, and time 1; 0 and 1 if both are zero.
	First, Last float64

	// Factor multiplies the logarithm of LevelLogSigma: 1/4 for EDM, -2 for the logarithm of the signal-to-noise ratio.
	// If zero, it is 1/4 for EDM and otherwise 1.
	Factor float64
}

// processRow describes a kind of [Process].
type processRow struct {
	kind     ProcessKind
	levels   []LevelKind // that networks take, the usual one first
	computed []Computed  // that networks compute, the usual one first
	divisor  func(f formula, p Process, sigma string) string
	time     func(f formula, p Process, sigma string, sigmas []float64) string
	noise    func(f formula, x, sigma, d, v string) string // from v, and the divisor d
}

// processRows has a row for each kind.
func processRows() []processRow {
	timed := []LevelKind{LevelTime, LevelStep, LevelSigma, LevelLogSigma}
	plain := []Computed{ComputesNoise, ComputesScore, ComputesDenoised}
	angular := append(slices.Clone(plain), ComputesV, ComputesMinusV)
	return []processRow{
		{ProcessVE, []LevelKind{LevelSigma, LevelLabel, LevelLogSigma, LevelTime},
			[]Computed{ComputesScore, ComputesNoise, ComputesDenoised}, nil, timeVE, nil},
		{ProcessVP, timed, angular, divisorVP, timeVP, noiseOfAngle},
		{ProcessScaledVP, []LevelKind{LevelStep, LevelSigma, LevelLogSigma}, angular, divisorVP, nil, noiseOfAngle},
		{ProcessSubVP, []LevelKind{LevelTime, LevelSigma, LevelLogSigma}, plain, divisorSubVP, timeSubVP, nil},
		{ProcessCosine, timed, angular, divisorVP, timeCosine, noiseOfAngle},
		{ProcessFlow, []LevelKind{LevelTime, LevelSigma, LevelLogSigma},
			[]Computed{ComputesV, ComputesMinusV, ComputesNoise, ComputesDenoised, ComputesScore},
			divisorFlow, timeFlow, noiseOfFlow},
		{ProcessEDM, []LevelKind{LevelLogSigma, LevelSigma},
			[]Computed{ComputesEDM, ComputesNoise, ComputesDenoised, ComputesScore}, divisorEDM, nil, noiseOfAngle},
	}
}

func (p Process) row() (processRow, error) {
	kind := cmp.Or(p.Kind, ProcessVE)
	for _, row := range processRows() {
		if row.kind == kind {
			return row, nil
		}
	}
	var kinds []ProcessKind
	for _, row := range processRows() {
		kinds = append(kinds, row.kind)
	}
	return processRow{}, fmt.Errorf("--process is %q: want %s", p.Kind, oneOf(kinds))
}

// oneOf lists words: "a, b or c".
func oneOf[S ~string](words []S) string {
	texts := make([]string, len(words))
	for i, word := range words {
		texts[i] = string(word)
	}
	if last := len(texts) - 1; last > 0 {
		return strings.Join(texts[:last], ", ") + " or " + texts[last]
	}
	return strings.Join(texts, "")
}

// complete sets the defaults of p.
func (p Process) complete() Process {
	p.Kind = cmp.Or(p.Kind, ProcessVE)
	if p.BetaMin == 0 && p.BetaMax == 0 {
		p.BetaMin, p.BetaMax = 0.1, 20
		if p.Kind == ProcessScaledVP {
			p.BetaMin, p.BetaMax = 0.00085, 0.012
		}
	}
	p.DataStd = cmp.Or(p.DataStd, 0.5)
	return p
}

// Validate returns an error of one line that names the flag of langevin models import whose value is out of range, or
// does not fit the process. It checks everything that does not depend on the graph.
func (f Foreign) Validate() error {
	row, err := f.Process.row()
	if err != nil {
		return err
	}
	if f.Computes != "" && !slices.Contains(row.computed, f.Computes) {
		return fmt.Errorf("--output is %q: want %s for --process %s", f.Computes, oneOf(row.computed), row.kind)
	}
	if f.Takes.Kind != "" && !slices.Contains(row.levels, f.Takes.Kind) {
		return fmt.Errorf("--time is %q: want %s for --process %s", f.Takes.Kind, oneOf(row.levels), row.kind)
	}
	if err := f.Takes.validate(); err != nil {
		return err
	}
	return f.Process.complete().validate(cmp.Or(f.Takes.Kind, row.levels[0]))
}

func (l Level) validate() error {
	switch {
	case l.Kind == LevelStep && (l.Steps < 2 || l.Steps > MaxLevels):
		return fmt.Errorf("--time has %d steps: want 2 to %d", l.Steps, MaxLevels)
	case !finite(l.First) || !finite(l.Last) || l.First == l.Last && l.First != 0:
		return fmt.Errorf("--time goes from %g to %g: want two different numbers", l.First, l.Last)
	case !finite(l.Factor):
		return fmt.Errorf("--time has the factor %g: want a finite number", l.Factor)
	}
	return nil
}

// validate checks the parameters of a completed process whose networks take a kind of level.
func (p Process) validate(level LevelKind) error {
	betas := fmt.Sprintf("--betas is %g:%g", p.BetaMin, p.BetaMax)
	switch p.Kind {
	case ProcessVP, ProcessScaledVP, ProcessSubVP:
		switch {
		case !finite(p.BetaMin) || !finite(p.BetaMax) || p.BetaMin <= 0 || p.BetaMax <= p.BetaMin:
			return fmt.Errorf("%s: want two numbers above 0, the smaller first", betas)
		case p.Kind == ProcessScaledVP && p.BetaMax >= 1:
			return fmt.Errorf("%s: want the betas of the first and the last step, below 1", betas)
		case p.Kind != ProcessScaledVP && level != LevelStep && p.BetaMax < 1:
			return fmt.Errorf("%s, which are betas of steps: want --time steps:N for the steps' number, "+
				"or betas of a time from 0 to 1, as 0.1:20", betas)
		}
	case ProcessCosine:
		if !(p.Offset >= 0 && p.Offset < 1) {
			return fmt.Errorf("--cosine-offset is %g: want at least 0 and below 1", p.Offset)
		}
	case ProcessEDM:
		if !finite(p.DataStd) || p.DataStd <= 0 {
			return fmt.Errorf("--data-std is %g: want finite and above 0", p.DataStd)
		}
	}
	return nil
}

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
// NCSNv2, the prior, and the step size by technique 4. Steps of a network that takes steps have sigmas of their own, and
// the schedule goes through these.
func (p Process) schedule(m Manifest, l Level) (Manifest, error) {
	if p.Kind == ProcessVE {
		if n := len(m.Sigmas); n < 2 && l.Kind == LevelTime {
			return m, fmt.Errorf("--sigmas has %d levels: want the largest and the smallest sigma of the process at least, "+
				"for the times between them", n)
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
