package main

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/client/fake"
	"github.com/langevin-ml/langevin/internal/cli"
	evalcommands "github.com/langevin-ml/langevin/internal/eval"
	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/training/eval"
)

// gaussians is a fake model of 2gauss: it answers with the exact score and, as chains, exact samples.
func gaussians(training string) fake.Script {
	exact := sampling.TwoGaussians()
	return fake.Script{
		Models: []client.Model{{
			Name: "2gauss", Version: 1, State: client.ModelReady, Shape: []int{2}, Sigmas: []float64{20, 2, 0.2},
			Low: -8, High: 8, Training: training,
		}},
		Sample: fake.Samples([]int{2}, func(chain uint64) []float32 {
			x := make([]float32, 2)
			exact.Sample(x, sampling.Noise{Seed: 5, Chain: chain})
			return x
		}),
		Score: func(ctx context.Context, req client.ScoreRequest) (*client.Scores, error) {
			scores := &client.Scores{Batch: client.Batch{X: make([]float32, len(req.X)), Shape: []int{2},
				N: len(req.X) / 2}}
			return scores, exact.Score(ctx, scores.X, req.X, req.Sigma)
		},
	}
}

const trainedOn2Gauss = `{"preset": "toy-2gauss", "data": "2gauss, std 1"}`

func TestEvalOfExactSamples(t *testing.T) {
	got := langevin(t, gaussians(trainedOn2Gauss), "eval", "2gauss", "-n", "2000", "--json")
	var e evalcommands.Report
	if err := json.Unmarshal([]byte(got.stdout), &e); err != nil || got.code != cli.ExitOK {
		t.Fatalf("%v: %+v", err, got)
	}
	tolerance := map[string]float64{
		"modes covered": 0, "mode weight error": 0.02, "variance": 0.05, "stray share": 0.003,
		"sliced Wasserstein": 0.5, "MMD²": 0.002, "mode χ²": 10, "two-sample accuracy": 0.045,
	}
	for _, m := range e.Metrics {
		within, known := tolerance[m.Name]
		if !known && !strings.HasPrefix(m.Name, "score error") {
			t.Errorf("unexpected measure %q", m.Name)
		}
		if math.Abs(m.Value-m.Expected) > within {
			t.Errorf("%s is %g, expected %g", m.Name, m.Value, m.Expected)
		}
	}
	if want := len(tolerance) + 2*3; len(e.Metrics) != want || e.N != 2000 || e.Data != "2gauss, std 1" {
		t.Errorf("%d measures of %d samples of %q, want %d", len(e.Metrics), e.N, e.Data, want)
	}
	if e.Shares == nil || e.Shares.Freedom != 1 || e.Guidance != nil {
		t.Errorf("the test of shares is %+v, the guidance %+v", e.Shares, e.Guidance)
	}
}

// The guide of a call is sent as sample sends it, and the report has what the server made of it.
func TestEvalWithGuide(t *testing.T) {
	script := gaussians(trainedOn2Gauss)
	var asked *client.Guidance
	draw := script.Sample
	script.Sample = func(ctx context.Context, req client.SampleRequest, emit func(client.Event) error) error {
		asked = req.Guidance
		return draw(ctx, req, emit)
	}
	got := langevin(t, script, "eval", "2gauss", "-n", "200", "--json", "--guide", "weak@2", "--guide-rule", "mix",
		"--guide-weight", "-2")
	var e evalcommands.Report
	if err := json.Unmarshal([]byte(got.stdout), &e); err != nil || got.code != cli.ExitOK {
		t.Fatalf("%v: %+v", err, got)
	}
	want := client.Guidance{Model: "weak", Version: 2, Rule: client.GuidanceMix, Weight: new(-2.0)}
	if diff := cmp.Diff(&want, asked); diff != "" {
		t.Errorf("guidance (-want +asked):\n%s", diff)
	}
	if e.Guidance == nil || e.Guidance.Weight != -2 || e.Guidance.Rule != client.GuidanceMix {
		t.Errorf("the report has the guidance %+v", e.Guidance)
	}
}

// Samples of classes are compared with the Gaussians of these classes, in the proportion that was asked for, and so is
// the score given each class.
func TestEvalOfClasses(t *testing.T) {
	script := gaussians(trainedOn2Gauss)
	script.Models[0].Condition = &client.ModelCondition{Classes: 2, Dropped: true, Names: []string{"up", "down"}}
	exact := sampling.TwoGaussians()
	of := func(class client.Given) sampling.Mixture { return eval.Component(exact, int(class.(client.Class))) }
	var asked client.SampleRequest
	script.Sample = func(ctx context.Context, req client.SampleRequest, emit func(client.Event) error) error {
		asked = req
		return fake.Samples([]int{2}, func(chain uint64) []float32 {
			x := make([]float32, 2)
			of(req.Given.(client.Each)[chain]).Sample(x, sampling.Noise{Seed: 5, Chain: chain})
			return x
		})(ctx, req, emit)
	}
	script.Score = func(ctx context.Context, req client.ScoreRequest) (*client.Scores, error) {
		scores := &client.Scores{Batch: client.Batch{X: make([]float32, len(req.X)), Shape: []int{2},
			N: len(req.X) / 2}}
		return scores, of(req.Given).Score(ctx, scores.X, req.X, req.Sigma)
	}
	got := langevin(t, script, "eval", "2gauss", "-n", "300", "--json", "--class", "down,0,1", "--guidance-scale", "1")
	var e evalcommands.Report
	if err := json.Unmarshal([]byte(got.stdout), &e); err != nil || got.code != cli.ExitOK {
		t.Fatalf("%v: %+v", err, got)
	}
	if asked.GuidanceScale == nil || *asked.GuidanceScale != 1 || len(e.Given) != 3 || *e.Given[0].Class != 1 {
		t.Errorf("asked for scale %v, the report has %v", asked.GuidanceScale, e.Given)
	}
	if want := []float64{1. / 3, 2. / 3}; len(e.Modes.Weights) != 2 ||
		math.Abs(e.Modes.Weights[0]-want[0])+math.Abs(e.Modes.Expected[1]-want[1]) > 1e-9 {
		t.Errorf("weights %v, expected %v, want %v", e.Modes.Weights, e.Modes.Expected, want)
	}
	share := func(metrics []eval.Metric) (value float64) {
		for _, m := range metrics {
			if m.Name == eval.AskedClass {
				value = m.Value
			}
			if strings.HasPrefix(m.Name, "score error") && m.Value != 0 {
				t.Errorf("%s is %g, want 0", m.Name, m.Value)
			}
		}
		return value
	}
	if len(e.ByClass) != 2 || e.ByClass[0].N != 100 || e.ByClass[1].N != 200 || e.ByClass[1].Name != "down" ||
		share(e.ByClass[0].Metrics) != 1 || share(e.ByClass[1].Metrics) != 1 || share(e.Metrics) != 1 {
		t.Errorf("by class: %+v", e.ByClass)
	}
}

// Samples of a file are measured as drawn ones are.
func TestEvalOfFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.npy")
	script := gaussians(trainedOn2Gauss)
	drawing := langevin(t, script, "sample", "2gauss", "-n", "300", "--seed", "1", "--out", path)
	if drawing.code != cli.ExitOK {
		t.Fatalf("%+v", drawing)
	}
	measure := func(arguments ...string) (e evalcommands.Report) {
		got := langevin(t, script, append([]string{"eval", "2gauss", "--json"}, arguments...)...)
		if err := json.Unmarshal([]byte(got.stdout), &e); err != nil || got.code != cli.ExitOK {
			t.Fatalf("%v: %+v", err, got)
		}
		return e
	}
	drawn, read := measure("-n", "300", "--seed", "1"), measure("--samples", path)
	if diff := cmp.Diff(drawn.Metrics[:len(read.Metrics)], read.Metrics); diff != "" || len(read.Metrics) < 7 {
		t.Errorf("%d measures (-drawn +read):\n%s", len(read.Metrics), diff)
	}
	if read.N != 300 || read.Samples != path || read.NFE != 0 {
		t.Errorf("the report has %d samples of %q, %d evaluations", read.N, read.Samples, read.NFE)
	}
	var parts []string
	for _, shard := range []string{"0/3", "1/3", "2/3"} {
		part := filepath.Join(filepath.Dir(path), "part-"+shard[:1]+".npy")
		if got := langevin(t, script, "sample", "2gauss", "-n", "300", "--seed", "1", "--shard", shard, "--out",
			part); got.code != cli.ExitOK {
			t.Fatalf("%+v", got)
		}
		parts = append(parts, part)
	}
	joined := measure(append([]string{"-n", "300", "--samples"}, parts...)...)
	if diff := cmp.Diff(read.Metrics, joined.Metrics); diff != "" || joined.N != 300 {
		t.Errorf("%d samples of %s (-one file +parts):\n%s", joined.N, joined.Samples, diff)
	}
	gap := langevin(t, script, "eval", "2gauss", "-n", "300", "--samples", parts[0], parts[2])
	if gap.code != cli.ExitFailed || !oneLineWith(gap.stderr, "part 1 is missing, between "+parts[0]) {
		t.Errorf("a part is missing: %+v", gap)
	}
	last := langevin(t, script, "eval", "2gauss", "-n", "300", "--samples", parts[0], parts[1])
	if last.code != cli.ExitFailed || !oneLineWith(last.stderr, "have 200 rows: want the 300 of -n") {
		t.Errorf("the last part is missing: %+v", last)
	}
	unsaid := langevin(t, script, "eval", "2gauss", "--samples", parts[0], parts[1])
	if unsaid.code != cli.ExitUsage || !oneLineWith(unsaid.stderr, "want -n, its rows") {
		t.Errorf("parts without -n: %+v", unsaid)
	}
	for line, want := range map[string]string{
		"-n 300 --sampler flow": "--samples measures a file and draws nothing: leave out -n and --sampler",
		"--guide weak":          "leave out --guide",
	} {
		got := langevin(t, script, append([]string{"eval", "2gauss", "--samples", path}, strings.Fields(line)...)...)
		if got.code != cli.ExitUsage || !oneLineWith(got.stderr, want) {
			t.Errorf("%s: %+v, want one line that says %q", line, got, want)
		}
	}
	if err := os.WriteFile(path, []byte("1,2,3\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	got := langevin(t, script, "eval", "2gauss", "--samples", path+"x")
	if got.code == cli.ExitOK || !oneLineWith(got.stderr, path+"x") {
		t.Errorf("%+v, want one line that names the file", got)
	}
}

func TestEvalForPeople(t *testing.T) {
	got := langevin(t, gaussians(trainedOn2Gauss), "eval", "2gauss", "-n", "1000")
	for _, want := range []string{"1,000 samples, 2gauss version 1", "against 2gauss, std 1", "MEASURE",
		"modes covered", "weights found"} {
		if !strings.Contains(got.stdout, want) {
			t.Errorf("no %q in\n%s%s", want, got.stdout, got.stderr)
		}
	}
}

func TestEvalRefuses(t *testing.T) {
	for _, c := range []struct{ training, line, want string }{
		{"", "eval 2gauss", "the file of 2gauss does not say what it was trained on: want --preset, one of "},
		{trainedOn2Gauss, "eval 2gauss --preset toy-ring",
			"2gauss was trained on 2gauss, std 1, and preset toy-ring means ring, 8 modes"},
		{trainedOn2Gauss, "eval 2gauss --set data.std=2", "and preset toy-2gauss means 2gauss, std 2"},
		{trainedOn2Gauss, "eval 2gauss -n 5", "-n is 5: want a whole number from 100"},
		{trainedOn2Gauss, "eval 2gauss --preset nothing", `preset is "nothing": want one of`},
		{trainedOn2Gauss, "eval 2gauss --class 1", "--class of 2gauss: class is 1: want none, because the model has"},
		{trainedOn2Gauss, "eval", "no argument is given: want MODEL"},
	} {
		got := langevin(t, gaussians(c.training), strings.Fields(c.line)...)
		if got.code != cli.ExitUsage || !oneLineWith(got.stderr, c.want) {
			t.Errorf("%s: %+v, want one line that says %q", c.line, got, c.want)
		}
	}
}
