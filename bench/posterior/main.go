// Command posterior compares posterior samplers with exact posteriors of mixtures and with the Wiener filter on digits,
// checks their calibration, and writes bench/RESULTS-POSTERIOR.md. make bench-posterior runs it. Every part of the page
// is kept in a folder, so that a run that was stopped goes on with the parts that are missing.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/ort"
	"github.com/langevin-ml/langevin/sampling"
)

// bench has the sizes of all comparisons.
type bench struct {
	model    string // path of the network for digits
	data     string // folder of MNIST
	out      string
	kept     string // folder of the parts that are done
	parts    string // of the page, separated by commas
	ring     string // path of the network of the ring
	python   string // that runs the loops of the published algorithms
	samples  int    // of each mixture problem
	mixtures int    // problems
	digits   int    // pictures
	rivalled int    // pictures beside the published algorithms
	problems int    // of the calibration
	draws    int    // posterior samples of each

	network  *ort.Session
	manifest models.Manifest
	page     strings.Builder
}

func main() {
	b := &bench{}
	flag.StringVar(&b.model, "model", "models/zoo/mnist/1/model.onnx", "the network for digits")
	flag.StringVar(&b.data, "data", "data/mnist", "the folder of MNIST")
	flag.StringVar(&b.parts, "parts", strings.Join(partNames, ","), "parts of the page")
	flag.StringVar(&b.kept, "kept", "out/bench-posterior", "the folder of finished parts, which are not run again")
	flag.StringVar(&b.ring, "ring", "models/zoo/ring/1/model.onnx", "the network of the ring")
	flag.StringVar(&b.python, "python", "bench/.venv/bin/python", "runs the published algorithms")
	flag.StringVar(&b.out, "out", "bench/RESULTS-POSTERIOR.md", "the page to write")
	flag.IntVar(&b.mixtures, "mixtures", 20, "random mixture problems")
	flag.IntVar(&b.samples, "samples", 200, "samples of each")
	flag.IntVar(&b.digits, "digits", 10, "digits to reconstruct")
	flag.IntVar(&b.rivalled, "rivalled", 30, "digits to reconstruct beside the published algorithms")
	flag.IntVar(&b.problems, "problems", 300, "problems of the calibration")
	flag.IntVar(&b.draws, "draws", 4, "posterior samples of each problem of the calibration")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := b.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "posterior:", err)
		os.Exit(1)
	}
}

// partNames is the parts of the page in their order.
var partNames = []string{"mixtures", "digits", "peers", "ring", "pixels", "pooling"}

func (b *bench) run(ctx context.Context) error {
	if err := b.load(ctx); err != nil {
		return err
	}
	defer b.network.Close()
	if err := os.MkdirAll(b.kept, 0o755); err != nil {
		return err
	}
	page := fmt.Sprintf("# Posterior samplers\n\nWritten by `make bench-posterior`; do not edit. All methods are "+
		"those of `sampling`, with the settings that the server has by default unless the table says otherwise.\n\n"+
		"%s, %s\n", machine(), runtime.Version())
	for _, name := range strings.Split(b.parts, ",") {
		text, err := b.part(ctx, name)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		page += "\n" + text
	}
	return os.WriteFile(b.out, []byte(page), 0o644)
}

// part returns the text of a part of the page: the one that is kept, or that of a new run.
func (b *bench) part(ctx context.Context, name string) (string, error) {
	run, known := map[string]func(context.Context) error{
		"mixtures": b.compareMixtures, "digits": b.compareDigits, "peers": b.comparePeers, "ring": b.compareRing,
		"pixels": b.calibratePixels, "pooling": b.calibratePooling,
	}[name]
	if !known {
		return "", fmt.Errorf("no such part: want some of %s", strings.Join(partNames, ","))
	}
	path := filepath.Join(b.kept, name+".md")
	if text, err := os.ReadFile(path); err == nil {
		fmt.Fprintf(os.Stdout, "%s is kept in %s\n", name, path)
		return string(text), nil
	}
	b.page.Reset()
	start := time.Now()
	if err := run(ctx); err != nil {
		return "", err
	}
	b.printf("\nThis part, or its last run, took %s at commit %s.\n", time.Since(start).Round(time.Second), commit())
	return b.page.String(), os.WriteFile(path, []byte(b.page.String()), 0o644)
}

// each calls do for 0 to n-1, as many at once as there are processors.
func each(ctx context.Context, n int, do func(ctx context.Context, i int) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.NumCPU())
	for i := range n {
		group.Go(func() error { return do(ctx, i) })
	}
	return group.Wait()
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

// drawn is the samples of a problem with their diagnoses.
type drawn struct {
	x         []float32
	diagnoses []sampling.Diagnosis
}

// draw draws n samples given a measurement.
func (p planned) draw(
	ctx context.Context, m sampling.Model, y *sampling.Measurement, n int, seed uint64,
) (drawn, error) {
	d := drawn{diagnoses: make([]sampling.Diagnosis, n)}
	var err error
	d.x, err = sampling.Run(ctx, m, sampling.Request{
		Plan: p.plan, Prior: p.prior, Dim: y.Dim, Seed: seed, N: n,
		Measured: &sampling.Measured{Measurement: y, By: p.by}, Diagnosed: d.diagnoses,
	})
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
