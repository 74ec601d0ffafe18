// Command detect measures how well the detectors of the models for pictures tell other pictures from those like their
// training data, and writes bench/RESULTS-DETECT.md. make bench-detect runs it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/ort"
	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/sampling/detect"
	"github.com/langevin-ml/langevin/training/data"
)

// bench has the sizes of the comparison.
type bench struct {
	models     string // folder of models
	data       string // folder of the datasets
	out        string
	fit        int // pictures for each detector
	test       int // others of the same dataset
	others     int // of the other dataset, and turned ones
	likelihood int // of each dataset, for the density; 0 for none

	runtime *ort.Runtime
	sets    map[string]*data.Images
	page    strings.Builder
	alarms  strings.Builder // rows of the table of false alarms
}

func main() {
	b := &bench{sets: map[string]*data.Images{}}
	flag.StringVar(&b.models, "models", "models/zoo", "folder of the models mnist and fashion")
	flag.StringVar(&b.data, "data", "data", "folder of the datasets mnist and fashion-mnist")
	flag.StringVar(&b.out, "out", "bench/RESULTS-DETECT.md", "the page to write")
	flag.IntVar(&b.fit, "fit", 4000, "pictures of the test set that fit and calibrate a detector")
	flag.IntVar(&b.test, "test", 6000, "other pictures of the test set")
	flag.IntVar(&b.others, "others", 2000, "pictures of the other dataset, and turned ones")
	flag.IntVar(&b.likelihood, "likelihood", 50, "pictures of each dataset whose density is computed, 0 for none")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := b.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "detect:", err)
		os.Exit(1)
	}
}

func (b *bench) run(ctx context.Context) (err error) {
	if b.runtime, err = ort.OpenFound(""); err != nil {
		return err
	}
	for _, name := range []string{"mnist", "fashion-mnist"} {
		c := data.Config{Name: name, Dir: b.data + "/" + name}
		if b.sets[name], err = c.Images(data.Test); err != nil {
			return err
		}
	}
	if n := b.sets["mnist"].Len(); b.fit+b.test > n {
		return fmt.Errorf("-fit %d and -test %d: the test set has %d pictures", b.fit, b.test, n)
	}
	b.head()
	for _, c := range []struct{ model, like, unlike string }{
		{"mnist", "mnist", "fashion-mnist"}, {"fashion", "fashion-mnist", "mnist"},
	} {
		if err := b.compare(ctx, c.model, b.sets[c.like], b.sets[c.unlike]); err != nil {
			return fmt.Errorf("%s: %w", c.model, err)
		}
	}
	b.printf("\n## False alarms at 1 %%\n\nThe share of the %d like pictures with a p-value of at most 1 %%: for "+
		"the detector above, with the standard deviation that a part for the test and one for the calibration give, "+
		"and for %d detectors that were fitted to other parts of the test set.\n\n| model | this detector | mean "+
		"of %[2]d | standard deviation of one | expected |\n|---|---|---|---|---|\n%[3]s", b.test, splits,
		b.alarms.String())
	return os.WriteFile(b.out, []byte(b.page.String()), 0o644)
}

func (b *bench) head() {
	b.printf("# Detecting what is unlike the training data\n\nWritten by `make bench-detect`; do not edit.\n\n"+
		"- %d cores, %s/%s, %s, Langevin at commit %s\n\n"+
		"A detector is fitted to %d pictures of the test set, half of which calibrate it. %d others of the "+
		"test set are what it should not alarm on. There are %d pictures of the test set of the other dataset, and as "+
		"many of its own turned by 90°. All are chosen at random, because the first half of the test set of MNIST is "+
		"easier than the second. Nothing of the test sets was used to train the networks.\n\n"+
		"AUROC is the probability that an unlike picture is farther away than a like one; ± is its standard error. "+
		"Found is the share of unlike pictures with a p-value of at most 1 %%. Time is processor time of one "+
		"sample. The likelihood is that of %d pictures of each kind.\n\n"+
		"| model | against | AUROC | found at 1 %% | evaluations | ms |\n|---|---|---|---|---|---|\n",
		runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version(), commit(), b.fit, b.test, b.others,
		b.likelihood)
}

// network is a model with its session.
type network struct {
	manifest models.Manifest
	model    sampling.Model
}

func (b *bench) load(ctx context.Context, name string) (network, func() error, error) {
	file, err := os.ReadFile(b.models + "/" + name + "/1/" + models.FileName)
	if err != nil {
		return network{}, nil, err
	}
	m, err := models.Read(file)
	if err != nil {
		return network{}, nil, err
	}
	session, err := b.runtime.Load(ctx, file, m, ort.Options{Threads: runtime.NumCPU()})
	if err != nil {
		return network{}, nil, err
	}
	return network{m, session.Model()}, session.Close, nil
}

// compare fits a detector and measures it.
func (b *bench) compare(ctx context.Context, name string, like, unlike *data.Images) (err error) {
	of, done, err := b.load(ctx, name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	s := of.manifest.Sigmas
	sigmas, before := detect.Sigmas(s[0], s[len(s)-1]), processorTime()
	norms, err := of.norms(ctx, sigmas, levels(like, 0, b.fit+b.test, false))
	if err != nil {
		return err
	}
	each := (processorTime() - before).Seconds() * 1000 / float64(b.fit+b.test)
	d, err := detect.Fit(sigmas, slices.Concat(norms[:b.fit]...))
	if err != nil {
		return err
	}
	typical := distances(d, norms[b.fit:])
	if err := b.falseAlarms(name, d, norms); err != nil {
		return err
	}
	for _, c := range []struct {
		what string
		x    []float32
	}{
		{"the other dataset", levels(unlike, 0, b.others, false)},
		{"its own, turned by 90°", levels(like, 0, b.others, true)},
	} {
		norms, err := of.norms(ctx, sigmas, c.x)
		if err != nil {
			return err
		}
		unusual := distances(d, norms)
		area, off := detect.AUROC(typical, unusual)
		b.printf("| %s | %s | %.4f ± %.4f | %.1f %% | %d | %.1f |\n", name, c.what, area, off, 100*share(d, unusual),
			len(sigmas), each)
	}
	return b.compareLikelihood(ctx, name, of, like, unlike)
}

// compareLikelihood measures how well the density alone does.
func (b *bench) compareLikelihood(ctx context.Context, name string, of network, like, unlike *data.Images) error {
	if b.likelihood == 0 {
		return nil
	}
	var all [2][]float64
	evaluations := 0
	for i, x := range [][]float32{levels(like, b.fit, b.likelihood, false), levels(unlike, 0, b.likelihood, false)} {
		s := of.manifest.Sigmas
		r, err := sampling.FlowLogLikelihood(ctx, of.model, sampling.FlowRequest{
			SigmaMax: s[0], SigmaMin: s[len(s)-1], Dim: of.manifest.Dim(), N: b.likelihood, X: x,
			RTol: 1e-3, ATol: 1e-3,
		})
		if err != nil {
			return err
		}
		for j, p := range r.LogP {
			all[i], evaluations = append(all[i], -p), evaluations+r.NFE[j]
		}
	}
	area, off := detect.AUROC(all[0], all[1])
	b.printf("| %s | the other dataset, by its likelihood | %.3f ± %.3f | | %d | |\n", name, area, off,
		evaluations/(2*b.likelihood))
	return nil
}

// norms returns the norms of the scores of each row.
func (n network) norms(ctx context.Context, sigmas []float64, x []float32) ([][]float64, error) {
	dim := n.manifest.Dim()
	norms, err := sampling.ScoreNorms(ctx, n.model,
		sampling.NormRequest{Sigmas: sigmas, Dim: dim, N: len(x) / dim, X: x})
	return slices.Collect(slices.Chunk(norms, len(sigmas))), err
}

// distances returns how far rows with the given norms are from the data of a detector.
func distances(d *detect.Detector, norms [][]float64) (all []float64) {
	for _, row := range norms {
		all = append(all, d.Distance(row))
	}
	return all
}

// splits is the number of detectors whose false alarms are counted.
const splits = 200

// falseAlarms adds the shares of false alarms of a detector, and of others that are fitted to other pictures, to their
// table.
func (b *bench) falseAlarms(name string, d *detect.Detector, norms [][]float64) error {
	first := share(d, distances(d, norms[b.fit:]))
	mixed, order := slices.Clone(norms), rand.New(rand.NewPCG(2, 0))
	var sum, square float64
	for range splits {
		order.Shuffle(len(mixed), func(i, j int) { mixed[i], mixed[j] = mixed[j], mixed[i] })
		other, err := detect.Fit(d.Sigmas, slices.Concat(mixed[:b.fit]...))
		if err != nil {
			return err
		}
		v := 100 * share(other, distances(other, mixed[b.fit:]))
		sum, square = sum+v, square+v*v
	}
	mean := sum / splits
	deviation := math.Sqrt((square - sum*mean) / (splits - 1))
	expected := 100 * math.Sqrt(0.01*0.99*(1/float64(b.test)+1/float64(len(d.Calibration)+2)))
	fmt.Fprintf(&b.alarms, "| %s | %.2f ± %.2f %% | %.3f ± %.3f %% | %.2f %% | %.2f %% |\n", name, 100*first, expected,
		mean, deviation/math.Sqrt(splits), deviation, expected)
	return nil
}

// share returns how many of the distances have a p-value of at most 1 %.
func share(d *detect.Detector, distances []float64) (found float64) {
	for _, v := range distances {
		if d.PValue(v) <= 0.01 {
			found += 1 / float64(len(distances))
		}
	}
	return found
}

// levels returns n pictures from index first on in a random order, with levels from 0 to 1, turned to the left or not.
func levels(m *data.Images, first, n int, turned bool) []float32 {
	var x []float32
	for _, i := range rand.New(rand.NewPCG(1, 0)).Perm(m.Len())[first : first+n] {
		picture := m.At(i)
		for j := range picture {
			from := j
			if turned {
				row, column := j/m.Width, j%m.Width
				from = column*m.Width + m.Width - 1 - row
			}
			x = append(x, float32(picture[from])/255)
		}
	}
	return x
}

// printf writes to the page, and shows what it wrote.
func (b *bench) printf(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	b.page.WriteString(text)
	fmt.Fprint(os.Stdout, text)
}

func processorTime() time.Duration {
	var used syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &used) // fails for no process that runs
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

func commit() string {
	out, err := exec.Command("git", "rev-parse", "--short", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}
