package robustness_test

import (
	"context"
	"flag"
	"fmt"
	"io/fs"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gomlx/compute-onnx/support/protos"
	"google.golang.org/protobuf/proto"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/models/modelstest"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/robustness"
	"github.com/langevin-ml/langevin/robustness/process"
	"github.com/langevin-ml/langevin/robustness/testmain"
)

var (
	soak  = flag.Duration("soak", 0, "how long TestSoak lasts; 0 skips it")
	every = flag.Duration("reload-every", 5*time.Second, "how often TestSoak replaces models")
)

// TestSoak uses a server for a long time with traffic of all kinds, and replaces its models again and again. After a
// third of the time, nothing that it holds may grow.
func TestSoak(t *testing.T) {
	if *soak == 0 {
		t.Skip("make soak")
	}
	seed := testmain.Seed(t, *seed, *long)
	a := attack(t)
	digits := [2][]byte{digitsFile(t, 0), digitsFile(t, 1)}
	a.remember(t)
	a.replace(t)
	a.remember(t)
	before := a.idle(t, process.Usage{})
	ctx, cancel := context.WithTimeout(t.Context(), *soak)
	defer cancel()
	var traffic sync.WaitGroup
	h := &history{}
	traffic.Go(func() { customersInto(t, ctx, h, a.Address, seed, 3) })
	traffic.Go(func() { a.drawDigits(t, ctx) })
	samples := a.watch(t, ctx, h, digits)
	traffic.Wait()
	u := a.idle(t, before)
	t.Logf("soak of %v: %d models replaced, %d calls; before %s; after %s", *soak, a.fired["replaced"],
		a.fired["calls"], describe(before), describe(u))
	report(t, samples)
}

// watch measures the server every second and replaces its models, until ctx ends. Calls are checked and forgotten.
func (a *attacked) watch(t *testing.T, ctx context.Context, h *history, digits [2][]byte) (samples []process.Usage) {
	t.Helper()
	last, rules := time.Now(), robustness.Rules{Undisturbed: a.undisturbed, Tardy: 2 * time.Second}
	for n := 0; ctx.Err() == nil; n++ {
		time.Sleep(time.Second)
		samples = append(samples, a.usage(t))
		calls := h.take()
		a.fired["calls"] += len(calls)
		for _, v := range rules.Check(calls) {
			t.Error(v)
		}
		if time.Since(last) < *every {
			continue
		}
		last = time.Now()
		a.writeModel(t, "mnist", digits[n%2])
		a.shelf = 3 - a.shelf
		a.writeModel(t, "points", variant(t, a.shelf))
		if err := a.Reload(); err != nil {
			t.Fatal(err)
		}
		a.fired["replaced"] += 2
	}
	return samples
}

// take removes the calls of the history.
func (h *history) take() []*robustness.Call {
	h.mu.Lock()
	defer h.mu.Unlock()
	calls := h.calls
	h.calls = nil
	return calls
}

// digitsFile returns the model mnist, with another digest for every number.
func digitsFile(t *testing.T, number int) []byte {
	t.Helper()
	data, err := fs.ReadFile(models.Zoo(), "mnist/1/"+models.FileName)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := models.Read(data)
	if err != nil {
		t.Fatal(err)
	}
	graph := &protos.ModelProto{}
	if err := proto.Unmarshal(data, graph); err != nil {
		t.Fatal(err)
	}
	manifest.Description = fmt.Sprintf("%s %d", manifest.Description, number)
	return modelstest.File(t, graph, manifest)
}

// drawDigits draws a few pictures at a time until ctx ends.
func (a *attacked) drawDigits(t *testing.T, ctx context.Context) {
	conn := connect(t, a.Address)
	defer conn.Close()
	for ctx.Err() == nil {
		c := drawOn(context.WithoutCancel(ctx), conn, "digits", &langevinv1.SampleRequest{
			Model: "mnist", N: proto.Int64(4), Seed: proto.Uint64(1),
			Sampler: &langevinv1.SampleRequest_Langevin{Langevin: &langevinv1.Langevin{Sigma: proto.Float64(1),
				Steps: proto.Int32(5), StepSize: proto.Float64(0.01)}}})
		if c.Err != nil {
			t.Error(c)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// report prints the trend of everything that could grow, and fails if something does.
func report(t *testing.T, samples []process.Usage) {
	t.Helper()
	samples = samples[len(samples)/3:]
	var table strings.Builder
	fmt.Fprintf(&table, "%-16s %12s %12s %12s\n", "", "mean", "per minute", "± error")
	for _, quantity := range []struct {
		name  string
		unit  float64
		of    func(process.Usage) float64
		small float64 // a slope per minute that does not matter: less than it grows in a day by what it has
	}{
		{"resident, MB", 1e6, func(u process.Usage) float64 { return u.Resident }, 0.1},
		{"heap, MB", 1e6, func(u process.Usage) float64 { return u.Heap }, 0.1},
		{"goroutines", 1, func(u process.Usage) float64 { return u.Goroutines }, 0.01},
		{"threads", 1, func(u process.Usage) float64 { return u.Threads }, 0.01},
		{"descriptors", 1, func(u process.Usage) float64 { return u.Descriptors }, 0.01},
	} {
		values := make([]float64, len(samples))
		for i, u := range samples {
			values[i] = quantity.of(u) / quantity.unit
		}
		trend := robustness.TrendOf(values)
		minutely, uncertain := 60*trend.Slope, 60*trend.Error
		fmt.Fprintf(&table, "%-16s %12.2f %12.3f %12.3f\n", quantity.name, trend.Mean, minutely, uncertain)
		if minutely > quantity.small && minutely > 4*uncertain && !math.IsInf(uncertain, 1) {
			t.Errorf("%s: grows by %.3f ± %.3f a minute", quantity.name, minutely, uncertain)
		}
	}
	t.Logf("after a third of the time:\n%s", table.String())
}

func describe(u process.Usage) string {
	return fmt.Sprintf("%.0f MB resident, %.0f goroutines, %.0f threads, %.0f descriptors", u.Resident/1e6,
		u.Goroutines, u.Threads, u.Descriptors)
}
