// Command posterior compares posterior samplers with exact posteriors of mixtures and with the Wiener filter on digits,
// checks their calibration, and writes bench/RESULTS-POSTERIOR.md. make bench-posterior runs it.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/ort"
	"github.com/langevin-ml/langevin/sampling"
)

// bench has the sizes of all comparisons.
type bench struct {
	model    string // path of the network for digits
	data     string // folder of MNIST
	out      string
	parts    string // of the page, separated by commas
	ring     string // path of the network of the ring
	python   string // that runs the loops of the published algorithms
	samples  int    // of each mixture problem
	mixtures int    // problems
	digits   int    // pictures
	problems int    // of the calibration
	draws    int    // posterior samples of each
	count    int    // particles of the calibration

	network  *ort.Session
	manifest models.Manifest
	started  time.Time
	page     strings.Builder
}

func main() {
	b := &bench{started: time.Now()}
	flag.StringVar(&b.model, "model", "models/zoo/mnist/1/model.onnx", "the network for digits")
	flag.StringVar(&b.data, "data", "data/mnist", "the folder of MNIST")
	flag.StringVar(&b.parts, "parts", "mixtures,digits,peers,calibration", "parts of the page")
	flag.StringVar(&b.ring, "ring", "models/zoo/ring/1/model.onnx", "the network of the ring")
	flag.StringVar(&b.python, "python", "bench/.venv/bin/python", "runs the published algorithms")
	flag.StringVar(&b.out, "out", "bench/RESULTS-POSTERIOR.md", "the page to write")
	flag.IntVar(&b.mixtures, "mixtures", 20, "random mixture problems")
	flag.IntVar(&b.samples, "samples", 200, "samples of each")
	flag.IntVar(&b.digits, "digits", 10, "digits to reconstruct")
	flag.IntVar(&b.problems, "problems", 300, "problems of the calibration")
	flag.IntVar(&b.draws, "draws", 9, "posterior samples of each problem of the calibration")
	flag.IntVar(&b.count, "particles", 64, "particles of the calibration")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := b.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "posterior:", err)
		os.Exit(1)
	}
}

func (b *bench) run(ctx context.Context) error {
	b.printf("# Posterior samplers\n\nWritten by `make bench-posterior`; do not edit. All methods are those of " +
		"`sampling`, with the settings that the server has by default unless the table says otherwise.\n\n")
	b.printf("- %s\n- Langevin at commit %s, %s\n\n", machine(), commit(), runtime.Version())
	if err := b.load(ctx); err != nil {
		return err
	}
	defer b.network.Close()
	for _, part := range []struct {
		name string
		run  func(context.Context) error
	}{
		{"mixtures", b.compareMixtures}, {"digits", b.compareDigits},
		{"peers", b.comparePeers}, {"calibration", b.calibrate},
	} {
		if !slices.Contains(strings.Split(b.parts, ","), part.name) {
			continue
		}
		if err := part.run(ctx); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	b.printf("The run took %s.\n", time.Since(b.started).Round(time.Second))
	return os.WriteFile(b.out, []byte(b.page.String()), 0o644)
}

func (b *bench) load(ctx context.Context) error {
	runtime, err := ort.OpenFound("")
	if err != nil {
		return err
	}
	file, err := os.ReadFile(b.model)
	if err != nil {
		return err
	}
	if b.manifest, err = models.Read(file); err != nil {
		return err
	}
	b.network, err = runtime.Load(ctx, file, b.manifest, ort.Options{})
	return err
}

// printf writes to the page, and shows what it wrote.
func (b *bench) printf(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	b.page.WriteString(text)
	fmt.Fprint(os.Stdout, text)
}

// planned is a method with its plan and the prior of its chains.
type planned struct {
	name  string
	by    sampling.Method
	plan  sampling.Plan
	prior sampling.Prior
}

// drawn is the samples of a problem with their diagnoses, and what they took.
type drawn struct {
	x         []float32
	diagnoses []sampling.Diagnosis
	seconds   float64
}

// draw draws n samples given a measurement.
func (p planned) draw(
	ctx context.Context, m sampling.Model, y *sampling.Measurement, n int, seed uint64,
) (drawn, error) {
	d := drawn{diagnoses: make([]sampling.Diagnosis, n)}
	start := time.Now()
	var err error
	d.x, err = sampling.Run(ctx, m, sampling.Request{
		Plan: p.plan, Prior: p.prior, Dim: y.Dim, Seed: seed, N: n,
		Measured: &sampling.Measured{Measurement: y, By: p.by}, Diagnosed: d.diagnoses,
	})
	d.seconds = time.Since(start).Seconds()
	return d, err
}

// particles returns sequential Monte Carlo on a schedule.
func particles(s sampling.Schedule, count int, spread float64, guided bool) (planned, error) {
	p := sampling.Particles{
		Schedule: s, Method: sampling.ReverseMultistep, Count: count, Threshold: 0.5, Guided: guided, Spread: spread,
	}
	plan, err := p.Plan()
	name := fmt.Sprintf("particles, %d", count)
	if !guided {
		name += ", unguided"
	}
	return planned{name, p, plan, p.Prior()}, err
}

func ddrm(s sampling.Schedule) (planned, error) {
	d := sampling.DDRM{Schedule: s, Eta: 0.85, EtaB: 1}
	plan, err := d.Plan()
	return planned{fmt.Sprintf("DDRM, %d steps", s.Levels()), d, plan, d.Prior()}, err
}

func snips(a sampling.AnnealedLangevin) (planned, error) {
	s := sampling.SNIPS{Annealed: a}
	plan, err := s.Plan()
	return planned{"SNIPS", s, plan, sampling.Prior{Kind: sampling.PriorNormal, Std: a.Schedule.Sigma(0)}}, err
}

func likelihood(a sampling.AnnealedLangevin, weight float64) (planned, error) {
	plan, err := a.Plan()
	name := "Langevin with the likelihood"
	if weight > 0 {
		name = fmt.Sprintf("Langevin of Jalal et al., weight %g", weight)
	}
	prior := sampling.Prior{Kind: sampling.PriorNormal, Std: a.Schedule.Sigma(0)}
	return planned{name, sampling.LikelihoodLangevin{Weight: weight}, plan, prior}, err
}

func commit() string {
	out, err := exec.Command("git", "rev-parse", "--short", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

func machine() string {
	name := "unknown processor"
	text, _ := os.ReadFile("/proc/cpuinfo") // without it the name stays unknown
	for line := range strings.Lines(string(text)) {
		if key, value, _ := strings.Cut(line, ":"); strings.TrimSpace(key) == "model name" {
			name = strings.TrimSpace(value)
		}
	}
	return fmt.Sprintf("%s, %d cores, %s/%s", name, runtime.NumCPU(), runtime.GOOS, runtime.GOARCH)
}
