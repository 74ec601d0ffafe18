package main

import (
	"bytes"
	"fmt"
	"strings"
	"time"
)

// results is everything that was measured.
type results struct {
	machine   []string
	started   time.Time
	took      time.Duration
	measured  int // measurements taken
	disturbed int // measurements that other work disturbed
	quick     bool

	draws      []drawResult
	ticks      []tickResult
	throughput map[string]series // samples per second
	inProcess  series            // samples per second without a service
	halfRate   float64           // requests per second
	idle, half latencies
	memory     []memoryResult
}

// page is a Markdown page that is being written.
type page struct{ bytes.Buffer }

func (p *page) line(format string, args ...any) {
	fmt.Fprintf(p, format, args...) // unchanged, so that vet checks the format
	fmt.Fprintln(p)
}

// row writes a row of a table.
func (p *page) row(cells ...string) { p.line("| %s |", strings.Join(cells, " | ")) }

func (p *page) head(cells ...string) {
	p.row(cells...)
	p.line("|%s", strings.Repeat("---|", len(cells)))
}

func (r *results) markdown() []byte {
	p := &page{}
	r.writeMachine(p)
	r.writeDraws(p)
	r.writeServices(p)
	r.writeTicks(p)
	r.writeMemory(p)
	return p.Bytes()
}

func (r *results) writeMachine(p *page) {
	p.line("# Langevin and its peers\n")
	p.line("Written by `make bench`; do not edit. The times hold for this machine on this day. Ratios vary less " +
		"between machines.\n")
	p.circumstances(r.quick, r.machine, r.started, r.took, r.disturbed, r.measured)
	p.line("\nThe sides of a row were measured in turn, in an order that was reversed each time. The table shows " +
		"medians. Spread is the difference between our largest and smallest value, divided by the median. A " +
		"measurement that other work disturbed was repeated, up to a time limit. Peers ran with one thread and with " +
		"all cores. The better one counts, and its number of threads is given after it. Before anything was timed, " +
		"all sides that use float32 agreed on the scores of random inputs to 1e-4.\n")
	p.line("- **toy**: the network of the built-in toys, 2-128-128-2, SiLU, conditioned on sigma. **image**: a " +
		"residual network for 28×28 images, 0.94 M parameters, 0.47 GFLOP, instance norm and SiLU. Random weights; " +
		"see `bench/networks`.")
	p.line("- **PyTorch**: eager, the loop of the official NCSN code. **Python ORT**: onnxruntime in a Python loop, " +
		"noise by numpy. **JAX**: the whole sampler compiled, a scan over its steps, as in the code of Song et al. " +
		"(2021); always on all cores. **OpenVINO**: in a Python loop like Python ORT, compiled for the number of " +
		"rows, in float32 and in bfloat16. What a peer compiles, it compiles before it is timed. **one at a time**: a Python gRPC server on onnxruntime that serves one request after the " +
		"other. See `bench/peers`.\n")
}

// circumstances writes when and on what something was measured.
func (p *page) circumstances(
	quick bool, machine []string, started time.Time, took time.Duration, disturbed, measured int,
) {
	if quick {
		p.line("**A quick run, to check that everything works: the numbers mean nothing.**\n")
	}
	for _, fact := range machine {
		p.line("- %s", fact)
	}
	p.line("- %s, %.0f minutes; during %d of %d measurements other work had more than %s of the machine",
		started.UTC().Format("2 January 2006, 15:04 UTC"), took.Minutes(), disturbed, measured, percent(tolerable))
}

func (r *results) writeDraws(p *page) {
	p.line("## Samples per second, in process\n")
	p.head("case", "Langevin", "per step", "PyTorch", "Python ORT", "to PyTorch", "target", "met", "to Python ORT",
		"of sgemm, all cores", "of sgemm, one core", "target", "met", "spread")
	for _, e := range r.draws {
		ourTime := e.seen[ours].median()
		cells := []string{e.String(), number(float64(e.chains) / ourTime), micros(ourTime / float64(e.steps))}
		torch, torchRatio := e.beside(peerTorch)
		python, pythonRatio := e.beside(peerORT)
		cells = append(cells, torch, python, times(torchRatio), times(e.ratio),
			met(torchRatio >= e.ratio, torchRatio > 0), times(pythonRatio))
		cells = append(cells, e.fractions()...)
		p.row(append(cells, percent(e.seen[ours].spread()))...)
	}
	p.line("\nThe rate of sgemm was measured with products of %d×%d matrices in ONNX Runtime, one per thread: %s.\n",
		productSize, productSize, r.productRates())
	r.writeCompilers(p)
}

// writeCompilers compares with peers that compile a network for the machine.
func (r *results) writeCompilers(p *page) {
	peers := []string{peerJAX, peerOpenVINO, peerBfloat16}
	p.line("Peers that compile. *Error* is the largest difference of a score from ours, divided by the largest " +
		"score.\n")
	head := []string{"case", ours}
	for _, name := range peers {
		head = append(head, name, "to it", "error")
	}
	p.head(head...)
	for _, e := range r.draws {
		cells := []string{e.String(), number(float64(e.chains) / e.seen[ours].median())}
		for _, name := range peers {
			rate, ratio := e.beside(name)
			cells = append(cells, rate, times(ratio), fmt.Sprintf("%.1g", e.off[name]))
		}
		p.row(cells...)
	}
	p.line("")
}

// beside returns a peer's rate at its better number of threads, and how much longer the peer takes than we do, or 0 if
// it was omitted.
func (r drawResult) beside(peer string) (text string, ratio float64) {
	var names []string
	for _, t := range threads() {
		names = append(names, sideName(peer, t))
	}
	name, best := fastest(r.seen, names)
	if best == nil {
		return "not run", 0
	}
	_, with, _ := strings.Cut(name, ", ")
	return fmt.Sprintf("%s (%s)", number(float64(r.chains)/best.median()), with), best.median() / r.seen[ours].median()
}

// fractions returns our part of the machine's rate, on all cores and on one, with the target for all cores.
func (r drawResult) fractions() []string {
	if r.fraction == 0 {
		return []string{"", "", "", ""}
	}
	rate := r.flops / r.seen[ours].median()
	t := threads()
	all := rate / r.productRate(t[len(t)-1])
	return []string{percent(all), percent(rate / r.productRate(1)), percent(r.fraction), met(all >= r.fraction, true)}
}

func (r *results) productRates() string {
	var all []string
	for _, t := range threads() {
		var rates series
		for _, e := range r.draws {
			if e.fraction > 0 {
				rates = append(rates, e.productRate(t)/1e9)
			}
		}
		all = append(all, fmt.Sprintf("%.0f GFLOP/s with %d %s", rates.median(), t, plural(t, "thread")))
	}
	return strings.Join(all, ", ")
}

func (r *results) writeServices(p *page) {
	p.line("## As a service: toy, %d clients, %d chains of 1000 steps per request\n", serviceClients, serviceChains)
	p.head("case", "Langevin", "one at a time", "ratio", "target", "met", "spread")
	we, they := r.throughput[ours], r.throughput["one at a time"]
	ratio := we.median() / they.median()
	p.row("samples per second, closed loop", number(we.median()), number(they.median()), times(ratio), times(8),
		met(ratio >= 8, true), percent(we.spread()))
	p.line("")
	p.head("overhead", "in process, same number of callers", "service, load generator included", "overhead", "target",
		"met", "spread in process")
	overhead := 1 - we.median()/r.inProcess.median()
	p.row("samples per second", number(r.inProcess.median()), number(we.median()), percent(overhead),
		"below "+percent(0.05), met(overhead < 0.05, true), percent(r.inProcess.spread()))
	p.line("")
	half := fmt.Sprintf("Poisson, %.3g requests per second, half of its throughput", r.halfRate)
	p.head("latency", "idle", half, "ratio", "target", "met")
	p50, p99 := r.half.p50.median()/r.idle.p50.median(), r.half.p99.median()/r.idle.p99.median()
	p.row("p50", millis(r.idle.p50.median()), millis(r.half.p50.median()), times(p50), "", "")
	p.row("p99", millis(r.idle.p99.median()), millis(r.half.p99.median()), times(p99), "below "+times(1.5),
		met(p99 < 1.5, true))
	p.line("")
}

func (r *results) writeTicks(p *page) {
	p.line("## Our share of a tick: one worker\n")
	p.line("*free* is a tick with a model that does nothing: packing, noise, update, emit. *Share* is free divided " +
		"by network. As a check, *beyond* is the time of a whole tick minus network, divided by network.\n")
	p.head("case", "network", "tick", "free", "of which noise", "share", "target", "met", "beyond",
		"allocations per tick", "in our code", "spread of free")
	for _, t := range r.ticks {
		network, free := t.network.median(), t.free.median()
		p.row(fmt.Sprintf("%s, %d %s", t.tickCase.network, t.rows, plural(t.rows, "row")),
			micros(network), micros(t.whole.median()), micros(free), micros(t.noise.median()),
			percent(free/network), "below "+percent(t.share), met(free/network < t.share, true),
			percent(t.whole.median()/network-1),
			fmt.Sprintf("%.2f", t.allocs), fmt.Sprintf("%.2f", t.freeOnly), percent(t.free.spread()))
	}
	p.line("")
}

func (r *results) writeMemory(p *page) {
	p.line("## Memory of the server: largest resident size\n")
	p.line("*Idle* is the server's largest size before the request, while it loaded its models. Every row has a " +
		"fresh server. *Growth* is how much larger the request made it. The growth with more steps may differ from " +
		"the growth with fewer by 5 %% of idle, because it depends on when Go collects garbage.\n")
	p.head("one request", "idle", "peak", "growth", "target", "met")
	const limit = 500 << 20
	for i, m := range r.memory {
		target, ok := "", ""
		switch i {
		case 0:
			target, ok = "below 500 MB", met(m.peak < limit, m.peak > 0)
		case 2:
			flat := float64(m.growth()-r.memory[1].growth()) < 0.05*float64(m.before)
			target, ok = "growth of the row above", met(flat, m.peak > 0)
		}
		p.row(fmt.Sprintf("toy, %s chains of %d steps", thousands(m.chains), m.steps),
			megabytes(m.before), megabytes(m.peak), megabytes(m.growth()), target, ok)
	}
}
