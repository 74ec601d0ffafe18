package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// gpuResults is what gpuBench measured.
type gpuResults struct {
	device   string
	machine  []string
	started  time.Time
	quick    bool
	notes    []string           // what was omitted, and why
	ceilings map[string]float64 // operations per second of a product of matrices, by precision
	parity   []gpuParity
	cases    []gpuCase
}

// gpuParity is the difference of scores from the CPU's. torch is negative if PyTorch was not measured.
type gpuParity struct {
	network, precision string
	ours, torch        float64
}

// met reports whether scores are close enough to the CPU's. NaN never is.
func (p gpuParity) met(off float64) bool { return off <= tolerances[p.precision] }

// unequal returns an error that names the scores that differ too much from the CPU's, or nil. Times cannot be compared
// if the two sides compute different things.
func (r *gpuResults) unequal() error {
	var errs []error
	for _, p := range r.parity {
		for _, side := range []struct {
			name string
			off  float64
		}{{ours, p.ours}, {eager, p.torch}} {
			if !p.met(side.off) {
				errs = append(errs,
					fmt.Errorf("%s, %s: scores of %s are off the CPU's by %.2g of the largest, %g is allowed",
						p.network, p.precision, side.name, side.off, tolerances[p.precision]))
			}
		}
	}
	return errors.Join(errs...)
}

// note adds a note, once.
func (r *gpuResults) note(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(r.notes, text) {
		r.notes = append(r.notes, text)
	}
}

func (r *gpuResults) markdown() []byte {
	p := &page{}
	p.line("# Langevin on %s, compared with PyTorch\n", r.device)
	p.line("Written by `make bench-gpu`; do not edit.\n")
	if r.quick {
		p.line("**A dry run, to check that everything works: the numbers mean nothing.**\n")
	}
	for _, fact := range r.machine {
		p.line("- %s", fact)
	}
	p.line("- %s", r.started.UTC().Format("2 January 2006, 15:04 UTC"))
	for _, precision := range slices.Sorted(maps.Keys(r.ceilings)) {
		p.line("- a product of matrices in PyTorch, %s: %s TFLOP/s", precision, number(r.ceilings[precision]/1e12))
	}
	for _, note := range r.notes {
		p.line("- %s", note)
	}
	p.line("\n## Scores compared with the CPU's, float32\n")
	p.head("network", "precision", "Langevin off by", "PyTorch off by", "allowed", "met")
	for _, c := range r.parity {
		torch := ""
		if c.torch >= 0 {
			torch = fmt.Sprintf("%.2g", c.torch)
		}
		p.row(c.network, c.precision, fmt.Sprintf("%.2g", c.ours), torch,
			fmt.Sprintf("%g", tolerances[c.precision]), met(c.met(c.ours), true))
	}
	p.line("\n## Steps of chains per second\n")
	p.line("One step of one chain is one evaluation of the network, noise and update. Langevin keeps x on the host " +
		"between steps. *Idle* is the fraction of our time in which nvidia-smi saw no kernel run.\n")
	p.head("network", "precision", "chains", "Langevin", eager, compiled, "to eager", "target", "met", "of the ceiling",
		"target", "met", "idle", "target", "met")
	for _, c := range r.cases {
		p.row(r.cells(c)...)
	}
	return p.Bytes()
}

func (r *gpuResults) cells(c gpuCase) []string {
	we := c.seen[ours].median()
	cells := []string{c.network, c.precision, thousands(c.chains), c.rate(ours), c.rate(eager), c.rate(compiled)}
	ratio := c.seen[eager].median() / we
	cells = append(cells, judged(times(ratio), ratio > 0, c.chains >= 64, times(1.5), ratio >= 1.5)...)
	ceiling := r.ceilings[c.precision]
	fraction := 0.0
	if ceiling > 0 {
		fraction = c.flops * float64(c.chains) / we / ceiling
	}
	cells = append(cells, judged(percent(fraction), ceiling > 0,
		c.network == "ncsnv2" && c.precision == "fp16" && c.chains >= 64, percent(0.5), fraction >= 0.5)...)
	return append(cells, judged(percent(c.idle), c.idle >= 0, c.chains >= 64, "below 10 %", c.idle < 0.1)...)
}

// judged returns the cells for a value with a target. They are empty if there is no target.
func judged(value string, measured, wanted bool, target string, ok bool) []string {
	switch {
	case !measured:
		return []string{"not measured", "", ""}
	case !wanted:
		return []string{value, "", ""}
	}
	return []string{value, target, met(ok, true)}
}

func (c gpuCase) rate(side string) string {
	if len(c.seen[side]) == 0 {
		return "not run"
	}
	return number(float64(c.chains) / c.seen[side].median())
}
