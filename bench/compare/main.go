// Compare measures Langevin and its peers on this machine and writes the results to bench/RESULTS.md. `make bench`
// prepares what it needs and runs it from the root of the repository.
//
// The peers are PyTorch in eager mode, Python with ONNX Runtime, JAX, OpenVINO, and a Python server that serves one
// request at a time; see bench/peers. All of them run the networks that bench/networks writes. Nothing is timed before
// their scores agree. The sides of a comparison are measured in turn and the median counts, so other work on the
// machine slows them alike. A measurement that other work slowed much is repeated.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/langevin-ml/langevin/internal/processors"
	"github.com/langevin-ml/langevin/ort"
)

// settings holds the flags.
type settings struct {
	networks  string // folder that bench/networks wrote
	langevin  string // the langevin program
	python    string // Python with onnxruntime and grpcio
	torch     string // Python with PyTorch; "none" omits PyTorch
	out       string
	quick     bool
	trainer   string // bench/trainer, to measure only training, for make bench-train; empty for make bench
	quality   bool   // whether to compare quality over cost, for make bench-quality
	diffusers string // Python with the packages of bench/requirements-quality.txt; "none" omits diffusers
	model     string // built-in model whose quality is compared
	samplers  string // of ours that are compared
	samples   int    // drawn for each seed
	seeds     int
	device    string // to measure only this device, for make bench-gpu; empty for make bench
}

// effort says how long to measure. A whole run takes about a hundred times least, plus the services.
type effort struct {
	rounds   int
	least    time.Duration // least time of one measurement of one side
	service  time.Duration // time of one measurement of a service
	chains   int           // chains in the one large request
	patience time.Duration // time for repeating disturbed measurements
}

func (s settings) effort() effort {
	if s.quick {
		return effort{rounds: 1, least: 10 * time.Millisecond, service: time.Second, chains: 20_000}
	}
	return effort{rounds: 5, least: 500 * time.Millisecond, service: 10 * time.Second, chains: 1_000_000,
		patience: 4 * time.Minute}
}

func main() {
	var s settings
	flag.StringVar(&s.networks, "networks", "", "folder that bench/networks wrote")
	flag.StringVar(&s.langevin, "langevin", "bin/langevin", "the program")
	flag.StringVar(&s.python, "python", "bench/.venv/bin/python", "Python with the packages of bench/requirements.txt")
	flag.StringVar(&s.torch, "torch", "/usr/bin/python3", `Python with PyTorch and onnx; "none" omits PyTorch`)
	flag.StringVar(&s.out, "out", "",
		"file to write (default bench/RESULTS.md; with a device RESULTS-GPU.md; for a dry run in the networks' folder)")
	flag.BoolVar(&s.quick, "quick", false, "measure almost nothing, to check that everything works")
	flag.StringVar(&s.device, "device", "",
		"compare this device with PyTorch on it, as make bench-gpu does: cuda, cuda:N, or cpu for a dry run")
	flag.StringVar(&s.trainer, "trainer", "",
		"compare the training steps of this program, bench/trainer, with PyTorch's, as make bench-train does")
	flag.BoolVar(&s.quality, "quality", false, "compare what quality costs, as make bench-quality does")
	flag.StringVar(&s.diffusers, "diffusers", "bench/.venv-quality/bin/python",
		`Python with the packages of bench/requirements-quality.txt; "none" omits diffusers`)
	flag.StringVar(&s.model, "model", "mnist", "built-in model whose quality is compared")
	flag.StringVar(&s.samplers, "samplers", "default,annealed,pc,flow,edm,sde",
		"our samplers whose quality is compared")
	flag.IntVar(&s.samples, "samples", 1000, "samples for each seed, for quality")
	flag.IntVar(&s.seeds, "seeds", 3, "seeds, for quality")
	flag.Parse()
	log.SetFlags(log.Ltime)
	processors.Multiply() // as the program does
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, s); err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, s settings) (err error) {
	if s.trainer != "" {
		return runTrain(ctx, s)
	}
	if s.quality {
		return runQuality(ctx, s)
	}
	if s.device != "" {
		return runGPU(ctx, s)
	}
	b, err := newBench(ctx, s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	r := &results{machine: b.describe(), started: time.Now(), quick: s.quick}
	for _, part := range []func(context.Context, *results) error{
		b.compareDraws, b.measureTicks, b.compareServices, b.measureLatency, b.measureMemory,
	} {
		if err := part(ctx, r); err != nil {
			return err
		}
	}
	r.took, r.measured, r.disturbed = time.Since(r.started), b.referee.measured, b.referee.disturbed
	return s.write("RESULTS.md", r.markdown())
}

// write writes the page to the file that -out names, or else into bench. The page of a dry run has no meaning, so it
// goes to the folder of the networks.
func (s settings) write(name string, page []byte) error {
	path := s.out
	switch {
	case path != "":
	case s.quick || s.device == ort.DeviceCPU:
		path = filepath.Join(s.networks, name)
	default:
		path = filepath.Join("bench", name)
	}
	log.Printf("writing %s", path)
	return os.WriteFile(path, page, 0o644)
}
