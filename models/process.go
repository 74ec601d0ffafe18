package models

import (
	"cmp"
	"fmt"
	"math"
	"slices"
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

	// Cumulative is ᾱ = α² of each step, the product of 1 - β up to it, for VP with other betas. It falls strictly,
	// between 1 and 0. BetaMin and BetaMax are then ignored. The networks take LevelStep.
	Cumulative []float64

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

// origin says in a few words what a network computes, and how it was trained. f is complete.
func (f Foreign) origin() string {
	p, text := f.Process, fmt.Sprintf("%s of process %s", f.Computes, f.Process.Kind)
	switch p.Kind {
	case ProcessVP, ProcessScaledVP, ProcessSubVP:
		if p.Cumulative == nil {
			text += fmt.Sprintf(", betas %g:%g", p.BetaMin, p.BetaMax)
		}
	case ProcessCosine:
		text += fmt.Sprintf(", offset %g", p.Offset)
	case ProcessEDM:
		text += fmt.Sprintf(", data std %g", p.DataStd)
	}
	text += fmt.Sprintf(", takes %s", f.Takes.Kind)
	first, last := f.Takes.ends()
	switch f.Takes.Kind {
	case LevelStep:
		text += fmt.Sprintf(":%d", f.Takes.Steps)
	case LevelTime:
		text += fmt.Sprintf(":%g:%g", first, last)
	case LevelLogSigma:
		text += fmt.Sprintf(":%g", f.Takes.factor(p))
	}
	return text
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
	level := f.Takes
	level.Kind = cmp.Or(level.Kind, row.levels[0])
	return f.Process.complete().validate(level)
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

// validate checks the parameters of a completed process whose networks take the given level.
func (p Process) validate(level Level) error {
	if p.Cumulative != nil {
		return p.validateCumulative(level)
	}
	switch p.Kind {
	case ProcessVP, ProcessScaledVP, ProcessSubVP:
		return p.validateBetas(level)
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

func (p Process) validateCumulative(level Level) error {
	n := len(p.Cumulative)
	if p.Kind != ProcessVP {
		return fmt.Errorf("--alphas-cumprod is for --process %s, and the process is %s", ProcessVP, p.Kind)
	}
	if level.Kind != LevelStep || level.Steps != n {
		return fmt.Errorf("--alphas-cumprod has %d numbers: want --time steps:%d", n, n)
	}
	before := 1.0
	for k, v := range p.Cumulative {
		if !(v > 0x1p-100 && v < before) {
			return fmt.Errorf("--alphas-cumprod has %g for step %d: want above 0 and below %g, that of the step before",
				v, k, before)
		}
		before = v
	}
	return nil
}

func (p Process) validateBetas(level Level) error {
	betas, stepped := fmt.Sprintf("--betas is %g:%g", p.BetaMin, p.BetaMax), level.Kind == LevelStep && level.Steps > 1
	switch {
	case !finite(p.BetaMin) || !finite(p.BetaMax) || p.BetaMin <= 0 || p.BetaMax <= p.BetaMin:
		return fmt.Errorf("%s: want two numbers above 0, the smaller first", betas)
	case p.Kind == ProcessScaledVP && p.BetaMax >= 1:
		return fmt.Errorf("%s: want the betas of the first and the last step, below 1", betas)
	case p.Kind != ProcessScaledVP && level.Kind != LevelStep && p.BetaMax < 1:
		return fmt.Errorf("%s, which are betas of steps: want --time steps:N for the steps' number, "+
			"or betas of a time from 0 to 1, as 0.1:20", betas)
	case stepped && p.stepBeta(level.Steps-1, level.Steps) >= 1:
		return fmt.Errorf("%s: the last of %d steps would have the beta %g: want below 1", betas, level.Steps,
			p.stepBeta(level.Steps-1, level.Steps))
	}
	if stepped {
		return p.checkEnd(level, betas, "the last step")
	}
	if p.Kind != ProcessScaledVP { // which has no sigma without steps
		return p.checkEnd(level, betas, "time 1")
	}
	return nil
}

// checkEnd returns an error if the largest sigma of the process is not finite. end is where it has that sigma.
func (p Process) checkEnd(level Level, betas, end string) error {
	if largest, _ := p.sigmaRange(level); !(largest <= math.MaxFloat32) {
		return fmt.Errorf("%s: no float32 holds the sigma of %s: want smaller ones, as 0.1:20", betas, end)
	}
	return nil
}
