package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/ort"
	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/server"
)

// gpuBench measures one device: Langevin at several precisions, and PyTorch, eager and compiled.
type gpuBench struct {
	settings settings
	device   ort.Device
	runtime  *ort.Runtime
	referee  *referee
	torch    *peer // nil if it is omitted
	results  gpuResults
}

// gpuCase is chains of a network at a precision. Seconds in seen are for one step of all chains.
type gpuCase struct {
	network, precision string
	chains             int
	flops              float64 // operations for one step of one chain
	seen               map[string]series
	idle               float64 // fraction of our time in which the GPU did nothing; negative if unknown
}

const (
	eager    = "PyTorch eager"
	compiled = "torch.compile"
	gpuSteps = 10 // steps of one request
)

// tolerances are the largest differences allowed from the CPU's scores: the largest difference divided by the largest
// score.
var tolerances = map[string]float64{"fp32": 1e-4, "tf32": 1e-2, "fp16": 2e-2}

func runGPU(ctx context.Context, s settings) (err error) {
	device, err := ort.ParseDevice(s.device)
	if err != nil {
		return err
	}
	b := &gpuBench{settings: s, device: device, referee: &referee{others: otherWork}}
	if b.runtime, err = ort.OpenFound(""); err != nil {
		return err
	}
	b.results = gpuResults{device: s.device, started: time.Now(), quick: s.quick, ceilings: map[string]float64{}}
	b.results.machine = append((&bench{runtime: b.runtime}).describe(), gpuName(device))
	b.startTorch(ctx)
	if b.torch != nil {
		defer func() { err = errors.Join(err, b.torch.close()) }()
	}
	for _, name := range []string{"toy", "image", "ncsnv2"} {
		for _, precision := range precisions(device) {
			if err := b.compare(ctx, name, precision); err != nil {
				return fmt.Errorf("%s, %s: %w", name, precision, err)
			}
		}
	}
	if err := s.write("RESULTS-GPU.md", b.results.markdown()); err != nil {
		return err
	}
	return b.results.unequal() // after the page is written, because it helps to find the reason
}

// precisions returns the precisions that a device supports. Only a GPU has TF32.
func precisions(d ort.Device) []string {
	if !d.CUDA {
		return []string{"fp32", "fp16"}
	}
	return []string{"fp32", "tf32", "fp16"}
}

// startTorch starts PyTorch. If it cannot use the device, startTorch omits it and notes why.
func (b *gpuBench) startTorch(ctx context.Context) {
	if b.settings.torch == "none" {
		b.results.note("PyTorch was omitted")
		return
	}
	p, err := startPeer(ctx, "PyTorch", b.settings.torch, "bench/peers/torch_eager.py",
		strings.ReplaceAll(b.device.String(), "cuda:0", "cuda"))
	if err != nil {
		b.results.note("PyTorch was omitted: %v", err)
		return
	}
	b.torch = p
	if a, err := p.ask(command{"do": "describe"}); err == nil {
		b.results.machine = append(b.results.machine, a.Text)
	}
	size, repeat := 8192, 20
	if b.settings.quick {
		size, repeat = 256, 2
	}
	for _, precision := range precisions(b.device) {
		a, err := answer{}, p.setMode(precision, false)
		if err == nil {
			a, err = p.ask(command{"do": "product", "size": size, "repeat": repeat})
		}
		if err != nil {
			b.results.note("no ceiling at %s: %v", precision, err)
			continue
		}
		b.results.ceilings[precision] = 2 * float64(size) * float64(size) * float64(size) * float64(repeat) / a.Seconds
	}
}

func (p *peer) setMode(precision string, compiled bool) error {
	p.loaded = "" // the peer reads the mode when it loads a network
	_, err := p.ask(command{"do": "mode", "precision": precision, "compiled": compiled})
	return err
}

func (b *gpuBench) compare(ctx context.Context, name, precision string) (err error) {
	n, file, err := b.open(name)
	if err != nil {
		return err
	}
	if precision == "fp16" {
		half, _, err := models.ToHalf(file, n.manifest)
		if err != nil {
			b.results.note("%s at fp16: %v", name, err)
			return nil
		}
		file = half
	}
	if n.session, err = b.runtime.Load(ctx, file, n.manifest,
		ort.Options{Device: b.settings.device, TF32: precision == "tf32"}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.session.Close()) }()
	if err := b.checkGPU(ctx, n, precision); err != nil {
		return err
	}
	for _, chains := range b.settings.batches(name) {
		c, err := b.measure(ctx, n, precision, chains)
		if err != nil {
			return err
		}
		b.results.cases = append(b.results.cases, c)
	}
	return nil
}

// batches returns the numbers of chains. A dry run uses numbers that a CPU handles in a moment.
func (s settings) batches(network string) []int {
	switch {
	case s.quick && network == "ncsnv2":
		return []int{1}
	case s.quick:
		return []int{1, 2}
	}
	return []int{1, 4, 16, 64, 256, 1024}
}

func (b *gpuBench) open(name string) (*network, []byte, error) {
	n := &network{path: filepath.Join(b.settings.networks, "models", name, "1", models.FileName)}
	text, err := os.ReadFile(filepath.Join(b.settings.networks, "networks.json"))
	if err != nil {
		return nil, nil, err
	}
	var costs map[string]struct{ FLOPs float64 }
	if err := json.Unmarshal(text, &costs); err != nil {
		return nil, nil, fmt.Errorf("networks.json: %w", err)
	}
	n.flops = costs[name].FLOPs
	file, err := os.ReadFile(n.path)
	if err != nil {
		return nil, nil, err
	}
	n.manifest, err = models.Read(file)
	return n, file, err
}

// checkGPU compares our scores and PyTorch's with the scores of the full-precision network on this CPU.
func (b *gpuBench) checkGPU(ctx context.Context, n *network, precision string) error {
	file, err := os.ReadFile(n.path)
	if err != nil {
		return err
	}
	exact, err := b.runtime.Load(ctx, file, n.manifest, ort.Options{Threads: runtime.NumCPU()})
	if err != nil {
		return err
	}
	const rows = 3
	random := rand.New(rand.NewPCG(1, 0))
	x, sigma := make([]float32, rows*n.manifest.Dim()), []float32{0.2, 0.5, 1}
	for i := range x {
		x[i] = float32(random.Float64())
	}
	want, got := make([]float32, len(x)), make([]float32, len(x))
	if err := errors.Join(exact.Score(ctx, want, x, sigma), exact.Close(),
		n.session.Score(ctx, got, x, sigma)); err != nil {
		return err
	}
	p := gpuParity{n.manifest.Name, precision, distance(got, want), -1}
	if b.torch != nil {
		if err := b.torch.setMode(precision, false); err != nil {
			return err
		}
		theirs, err := b.torch.score(n, x, sigma)
		if err != nil {
			b.results.note("%s at %s: %v", n.manifest.Name, precision, err)
		} else {
			p.torch = distance(theirs, want)
		}
	}
	b.results.parity = append(b.results.parity, p)
	return nil
}

// measure times the sides in turn. Then it watches the GPU during another run of ours.
func (b *gpuBench) measure(ctx context.Context, n *network, precision string, chains int) (gpuCase, error) {
	c := gpuCase{network: n.manifest.Name, precision: precision, chains: chains, flops: n.flops, idle: -1}
	steps := gpuSteps
	if b.settings.quick {
		steps = 1
	}
	sampler := n.annealing(steps)
	plan, err := sampler.Plan()
	if err != nil {
		return c, err
	}
	e := newPipeline(n, n.session, n.blocks(b.device, server.Workers(b.device)))
	sides := []side{e.drawing(ours, plan, chains)}
	for _, mode := range []string{eager, compiled} {
		if s, ok := b.torchSide(n, mode, precision, sampler, chains); ok {
			sides = append(sides, s)
		}
	}
	what := fmt.Sprintf("%s, %s, %d", c.network, precision, chains)
	c.seen, err = b.referee.measureInRounds(ctx, what, b.settings.effort(), sides)
	if err != nil {
		return c, errors.Join(err, e.close(ctx))
	}
	for _, s := range c.seen {
		for i := range s {
			s[i] /= float64(len(plan))
		}
	}
	c.idle, err = idleShare(ctx, b.device, func() error {
		_, err := sides[0].work(ctx, max(1, int(3/(c.seen[ours].median()*float64(len(plan))))))
		return err
	})
	return c, errors.Join(err, e.close(ctx))
}

// torchSide returns PyTorch in one mode, if it supports the mode. It sets the mode before each measurement, outside of
// the time that it measures.
func (b *gpuBench) torchSide(
	n *network, mode, precision string, sampler sampling.AnnealedLangevin, chains int,
) (s side, ok bool) {
	if b.torch == nil {
		return side{}, false
	}
	threads := runtime.NumCPU()
	if b.settings.quick {
		threads = 1
	}
	work := func(_ context.Context, repeat int) (time.Duration, error) {
		if err := b.torch.setMode(precision, mode == compiled); err != nil {
			return 0, err
		}
		if _, err := b.torch.anneal(n, sampler, chains, threads, 1); err != nil { // compiles, and warms up
			return 0, err
		}
		return b.torch.anneal(n, sampler, chains, threads, repeat)
	}
	if _, err := work(context.Background(), 1); err != nil {
		b.results.note("%s, %s at %s: %v", mode, n.manifest.Name, precision, err)
		return side{}, false
	}
	return side{name: mode, work: work}, true
}

// idleShare returns the fraction of work's time in which the GPU ran nothing, sampled by nvidia-smi, or -1 if
// nvidia-smi cannot run.
func idleShare(ctx context.Context, d ort.Device, work func() error) (float64, error) {
	if !d.CUDA {
		return -1, nil
	}
	watch, stop := context.WithCancel(ctx)
	defer stop()
	var out strings.Builder
	smi := exec.CommandContext(watch, "nvidia-smi", "--id="+strconv.Itoa(d.Index), "--query-gpu=utilization.gpu",
		"--format=csv,noheader,nounits", "--loop-ms=100")
	smi.Stdout = &out
	if err := smi.Start(); err != nil {
		return -1, nil
	}
	err := work()
	stop()
	_ = smi.Wait() // fails because it was stopped
	return idleOf(out.String()), err
}

// idleOf reads lines of one percentage each. The first is from before the work.
func idleOf(lines string) float64 {
	var busy, n float64
	for i, line := range strings.Fields(lines) {
		if percent, err := strconv.ParseFloat(line, 64); err == nil && i > 0 {
			busy, n = busy+percent/100, n+1
		}
	}
	if n == 0 {
		return -1
	}
	return 1 - busy/n
}

func gpuName(d ort.Device) string {
	if !d.CUDA {
		return "device: cpu (a dry run)"
	}
	out, err := exec.Command("nvidia-smi", "--id="+strconv.Itoa(d.Index), "--query-gpu=name,driver_version",
		"--format=csv,noheader").Output()
	if err != nil {
		return "device: " + d.String() + ", which nvidia-smi does not describe"
	}
	return "device: " + d.String() + ", " + strings.TrimSpace(string(out))
}
