package main

import (
	"fmt"
	"time"
)

// trainResults is what trainBench measured.
type trainResults struct {
	machine   []string
	started   time.Time
	took      time.Duration
	measured  int
	disturbed int
	quick     bool
	cases     []trainResult
}

func (r *trainResults) markdown() []byte {
	p := &page{}
	p.line("# Training compared with PyTorch\n")
	p.line("Written by `make bench-train`; do not edit. The times hold for this machine on this day. Ratios vary " +
		"less between machines.\n")
	p.circumstances(r.quick, r.machine, r.started, r.took, r.disturbed, r.measured)
	p.line("\nA step is one update of the weights, as each side does it: draw rows, levels and noise, compute the " +
		"loss, its gradient, Adam and the moving average of the weights, and read the loss. Langevin trains as " +
		"`langevin train` does. PyTorch is eager, as in the official code, with the loops of the optimiser and the " +
		"average fused (`foreach`) and its rows drawn from memory. See `bench/trainer` and " +
		"`bench/peers/torch_train.py`. PyTorch ran with one thread and with all cores and, for images, with channels " +
		"first (contiguous) and last. The best variant counts and is given after its time. The sides were measured " +
		"in turn, in an order that was reversed each time. The table shows medians.\n")
	p.line("Before anything was timed, both sides trained the same network from the same weights on the same batches. "+
		"The last columns show the largest relative difference of the losses, at most %g, and of the distance "+
		"that the averaged weights moved, at most %g.\n", lossTolerance, moveTolerance)
	p.head("case", "Langevin, per step", "PyTorch, per step", "ratio", "target", "met", "spread", "losses off by",
		"weights off by")
	for _, c := range r.cases {
		p.row(c.cells()...)
	}
	return p.Bytes()
}

func (r trainResult) cells() []string {
	we := r.seen[ours]
	var names []string
	for _, layout := range r.layouts() {
		for _, t := range threads() {
			names = append(names, sideName(layout, t))
		}
	}
	name, they := fastest(r.seen, names)
	ratio := they.median() / we.median()
	return []string{
		r.name, micros(we.median()), fmt.Sprintf("%s (%s)", micros(they.median()), name),
		times(ratio), times(r.ratio), met(ratio >= r.ratio, true),
		percent(we.spread()), fmt.Sprintf("%.1g", r.loss), fmt.Sprintf("%.1g", r.moved),
	}
}
