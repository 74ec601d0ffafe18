// Compare measures Langevin beside its peers, on this machine, and writes what it found to bench/RESULTS.md. `make
// bench` prepares what it needs and runs it from the root of the repository.
//
// Peers are PyTorch in eager mode, Python with ONNX Runtime, and a Python server that takes requests one at a time; see
// bench/peers. All run the networks that bench/networks writes, and are only timed once their scores agree. The sides of
// a comparison take turns and the median counts, so that other work on the machine slows them alike, and what it slowed
// much is measured again.
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

	"github.com/langevin-ml/langevin/ort"
)

// settings are the flags.
type settings struct {
	networks string // folder that bench/networks wrote
	langevin string // the program
	python   string // with onnxruntime and grpcio
	torch    string // Python with PyTorch; "none" leaves it out
	out      string
	quick    bool
	trainer  string // bench/trainer, to measure training alone, for make bench-train; empty: the whole of make bench
	device   string // measured alone, for make bench-gpu; empty: the whole of make bench
}

// effort says how long to measure. The whole takes about a hundred times least, plus the services.
type effort struct {
	rounds   int
	least    time.Duration // of one measurement of one side
	service  time.Duration // of one measurement of a service
	chains   int           // of the one large request
	patience time.Duration // for measuring again what other work disturbed
}

func (s settings) effort() effort {
	if s.quick {
		return effort{rounds: 1, least: 10 * time.Millisecond, service: time.Second, chains: 20_000}
	}
	return effort{rounds: 5, least: 500 * time.Millisecond, service: 10 * time.Second, chains: 1_000_000, patience: 4 * time.Minute}
}

func main() {
	var s settings
	flag.StringVar(&s.networks, "networks", "", "folder that bench/networks wrote")
	flag.StringVar(&s.langevin, "langevin", "bin/langevin", "the program")
	flag.StringVar(&s.python, "python", "bench/.venv/bin/python", "Python with the packages of bench/requirements.txt")
	flag.StringVar(&s.torch, "torch", "/usr/bin/python3", `Python with PyTorch and onnx; "none" leaves PyTorch out`)
	flag.StringVar(&s.out, "out", "", "file to write (default bench/RESULTS.md, with a device bench/RESULTS-GPU.md, of a dry run in the folder of networks)")
	flag.BoolVar(&s.quick, "quick", false, "measure almost nothing, to see that all of it works")
	flag.StringVar(&s.device, "device", "", "measure this device beside PyTorch on it, as make bench-gpu does: cuda, cuda:N, or cpu for a dry run")
	flag.StringVar(&s.trainer, "trainer", "", "measure training steps by this program, bench/trainer, beside PyTorch, as make bench-train does")
	flag.Parse()
	log.SetFlags(log.Ltime)
	ort.AddProcessors() // as the program does
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
		b.compareEngines, b.measureTicks, b.compareServices, b.measureLatency, b.measureMemory,
	} {
		if err := part(ctx, r); err != nil {
			return err
		}
	}
	r.took, r.measured, r.disturbed = time.Since(r.started), b.referee.measured, b.referee.disturbed
	return s.write("RESULTS.md", r.markdown())
}

// write writes the page where -out says, else into bench, where it is kept; a dry run's, which means nothing, beside the
// networks.
func (s settings) write(name string, page []byte) error {
	path := s.out
	switch {
	case path != "":
	case s.quick || s.device == ort.DeviceCPU:
		path = filepath.Join(s.networks, name)
	default:
		path = filepath.Join("bench", name)
	}
	log.Printf("writes %s", path)
	return os.WriteFile(path, page, 0o644)
}
