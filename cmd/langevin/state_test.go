package main

import (
	"bytes"
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
	"github.com/langevin-ml/langevin/training/data"
)

// interrupted is a server that shows one state of every chain and then fails.
func interrupted(started client.Started, p client.Preview) fake.SampleFunc {
	return func(_ context.Context, _ client.SampleRequest, emit func(client.Event) error) error {
		for _, e := range []client.Event{started, p} {
			if err := emit(e); err != nil {
				return err
			}
		}
		return &client.Error{Code: 14, Message: "the server is stopping"}
	}
}

// TestStateTravels: what a call was and how far it came is what --resume asks for, whatever the sampler and the
// conditions.
func TestStateTravels(t *testing.T) {
	x := client.Batch{X: []float32{1, float32(math.Pi), -3, 1e-40}, Shape: []int{2}, N: 2}
	for _, tt := range []client.SampleRequest{
		{Sampler: client.AnnealedLangevin{Sigmas: []float64{3, 1}, StepsPerLevel: 2, StepLR: 0.1, Denoise: new(true),
			Consistent: new(true)}},
		{Sampler: client.Langevin{Sigma: 1, Steps: 9, StepSize: 0.1, Denoise: new(false)}},
		{Sampler: client.PredictorCorrector{Process: "vp", BetaMin: 0.1, BetaMax: 20, Times: 50, Predictor: "ancestral",
			Corrector: "annealed_langevin", CorrectorSteps: 2, SNR: 0.2, Epsilon: 1e-3, Denoise: new(true)}},
		{Sampler: client.ProbabilityFlow{Sigmas: []float64{2, 1}, Method: "euler", Denoise: new(false)}, Columns: 2},
		{Sampler: client.Langevin{Denoise: new(false)}, Condition: client.Inpainting{
			Values: []float32{1, 2}, Shape: []int{2}, Mask: []bool{true, false}, Refresh: client.RefreshStep}},
		{Sampler: client.Langevin{Denoise: new(false)}, Condition: client.Colourisation{Grey: []float32{1},
			Refresh: client.RefreshLevel},
			Guidance: &client.Guidance{Model: "cats", Version: 1, Rule: client.GuidanceAdd, Weight: new(2.0),
				Digest: "g"}},
	} {
		t.Chdir(t.TempDir())
		started := client.Started{
			Model: "ring", Version: 2, Digest: "d", N: 2, Seed: math.MaxUint64, FirstChain: 4, Shape: []int{2},
			Steps: 9, Engine: "e", Resumable: true,
			Sampler: tt.Sampler, Condition: tt.Condition, Columns: tt.Columns, Guidance: tt.Guidance,
		}
		got := langevin(t,
			fake.Script{Sample: interrupted(started, client.Preview{Batch: x, FirstChain: 4, Step: 3, Sigma: 1})},
			"sample", "ring", "-n", "2", "--save-state", "s")
		if got.code != cli.ExitFailed ||
			!strings.Contains(got.stderr, "after step 3 is saved: go on with --resume s\n") {
			t.Fatalf("interrupted: %+v", got)
		}
		var asked client.SampleRequest
		if got := langevin(t, fake.Script{Sample: func(ctx context.Context, req client.SampleRequest,
			emit func(client.Event) error) error {
			asked = req
			return points()(ctx, req, emit)
		}}, "sample", "--resume", "s"); got.code != cli.ExitOK ||
			!strings.Contains(got.stderr, `comes from "e" and goes on with "fake"`) {
			t.Fatalf("resumed: %+v", got)
		}
		want := tt
		want.Model, want.Version, want.N, want.Seed, want.FirstChain = "ring", 2, 2, new(uint64(math.MaxUint64)), 4
		want.Resume = &client.Resume{Digest: "d", Step: 3, X: x}
		if diff := cmp.Diff(want, asked); diff != "" {
			t.Errorf("asked for (-want +got):\n%s", diff)
		}
	}
}

// TestUnresumable: a call from whose states none can go on ends at once and leaves no files.
func TestUnresumable(t *testing.T) {
	t.Chdir(t.TempDir())
	started := client.Started{
		Model: "ring", N: 1, Shape: []int{2}, Steps: 9,
		Sampler: client.ProbabilityFlow{Sigmas: []float64{2, 1}, Method: client.FlowHeun},
	}
	script := fake.Script{Sample: func(ctx context.Context, _ client.SampleRequest,
		emit func(client.Event) error) error {
		if err := emit(started); err != nil {
			return err
		}
		<-ctx.Done()
		return ctx.Err()
	}}
	got := langevin(t, script, "sample", "ring", "--save-state", "s", "--out", "x.npy", "--timeout", "10s")
	const want = "--save-state does not go with probability flow (2 sigmas, method heun): " +
		"--resume could not go on from its states"
	if got.code != cli.ExitUsage || got.stdout != "" || !oneLineWith(got.stderr, want) {
		t.Errorf("%+v\nwant code 2 and %q", got, want)
	}
	checkFiles(t, ".")
}

// TestResumedSamples: from the state that a call left, another server goes on to the same bytes.
func TestResumedSamples(t *testing.T) {
	flags := append([]string{"--local"}, inside(t, modelFolder(t))...)
	path := filepath.Join(t.TempDir(), "s")
	draw := func(args ...string) outcome {
		return runAlone(t, append(append([]string{"sample"}, args...), flags...)...)
	}
	whole := draw("gauss", "-n", "300", "--seed", "7", "--first-chain", "5", "--sigmas", "3,2,1", "--steps-per-level",
		"5", "--save-state", path)
	rest := draw("--resume", path)
	if whole.code != cli.ExitOK || rest != whole {
		t.Errorf("resumed: code %d and %s, want the same bytes", rest.code, rest.stderr)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, states, _ := bytes.Cut(file, []byte("\n"))
	var saved struct{ Step int }
	if err := json.Unmarshal(head, &saved); err != nil {
		t.Fatal(err)
	}
	if x, err := data.DecodeNPY(bytes.NewReader(states)); err != nil || saved.Step != 10 || x.Shape[0] != 300 {
		t.Errorf("the state is of step %d with shape %v, or %v: want the end of the last level but one", saved.Step,
			x.Shape, err)
	}
}

func TestBadStates(t *testing.T) {
	const head = `{"format":"langevin-state-1","sampler":{"kind":"langevin"}}` + "\n"
	writeFiles(t, map[string][]byte{
		"npy":   npy("<f4", "(2,)", []float32{1, 2}),
		"other": []byte(`{"format":"x"}` + "\n"),
		"short": []byte(head),
		"flat":  append([]byte(head), npy("<f4", "(2,)", []float32{1, 2})...),
		"bytes": append([]byte(head), npy("|u1", "(2, 1)", []uint8{1, 2})...),
		"newer": []byte(`{"format":"langevin-state-1","sampler":{"kind":"walk"}}` + "\n"),
		"none":  []byte(`{"format":"langevin-state-1","sampler":null}` + "\n"),
	})
	for name, want := range map[string]string{
		"nowhere": "read nowhere: no such file", "npy": "read npy: it is no state", "other": "read other: " +
			"it is no state",
		"short": "read short: it is not in NumPy's array format", "flat": "its states have shape [2]",
		"bytes": "its states have shape [2 1]",
		"newer": `read newer: kind of sampler is "walk", which this program does not know`,
		"none":  "read none: it does not say which sampler its states are of",
	} {
		if got := langevin(t, fake.Script{}, "sample", "--resume", name); got.code != cli.ExitFailed ||
			!oneLineWith(got.stderr, want) {
			t.Errorf("--resume %s: %+v, want %q", name, got, want)
		}
	}
}
