package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/client/fake"
	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/training/data"
)

// interrupted is a server that sends some events and then fails.
func interrupted(events ...client.Event) fake.SampleFunc {
	return func(_ context.Context, _ client.SampleRequest, emit func(client.Event) error) error {
		for _, e := range events {
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
		{Sampler: client.Langevin{Denoise: new(false)}, Given: client.Each{client.Class(3), client.Unconditional{}}},
		{Sampler: client.Langevin{Denoise: new(false)}, Given: client.ClassName("shoe"), GuidanceScale: new(0.0),
			Sum: &client.Sum{OwnWeight: new(2.0), Terms: []client.Term{
				{Model: "cats", Version: 1, Digest: "g", Given: client.Vector{1, -2}, Weight: new(-0.5)},
				{Model: "ring", Version: 2, Digest: "d", Weight: new(1.0)}}}},
		{Sampler: client.ReverseSDE{Steps: 9, Denoise: new(true)}, Measurement: &client.Measurement{
			Operator: client.Matrix{1, 1}, Values: []float32{3}, NoiseStd: 0.1,
			Method: client.Particles{Count: 9, Threshold: new(0.5), Guided: new(true), Spread: new(2.0)}}},
	} {
		t.Chdir(t.TempDir())
		started := client.Started{
			Model: "ring", Version: 2, Digest: "d", N: 2, Seed: math.MaxUint64, FirstChain: 4, Shape: []int{2},
			Steps: 9, Engine: "e", Resumable: true,
			Sampler: tt.Sampler, Condition: tt.Condition, Columns: tt.Columns, Guidance: tt.Guidance,
			Given: tt.Given, GuidanceScale: tt.GuidanceScale, Sum: tt.Sum, Measurement: tt.Measurement,
		}
		got := langevin(t,
			fake.Script{Models: []client.Model{ring()}, Sample: interrupted(
				started, client.Preview{Batch: x, FirstChain: 4, Step: 3, Sigma: 1})},
			"sample", "ring", "-n", "2", "--save-state", "s")
		if got.code != cli.ExitFailed || !strings.Contains(got.stderr,
			"saved (0 of 2 chains finished, the others after step 3): go on with --resume s\n") {
			t.Fatalf("interrupted: %+v", got)
		}
		started.Engine = "fake"
		var asked client.SampleRequest
		if got := langevin(t, fake.Script{Sample: func(ctx context.Context, req client.SampleRequest,
			emit func(client.Event) error) error {
			asked = req
			return fake.Events(started, client.Chunk{Batch: x, FirstChain: 4}, client.Done{N: 2})(ctx, req, emit)
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

// TestUnknownSampler: a call whose sampler --resume could not ask for ends at once and leaves no files.
func TestUnknownSampler(t *testing.T) {
	t.Chdir(t.TempDir())
	started := client.Started{
		Model: "ring", N: 1, Shape: []int{2}, Steps: 9,
	}
	script := fake.Script{Models: []client.Model{ring()}, Sample: func(ctx context.Context, _ client.SampleRequest,
		emit func(client.Event) error) error {
		if err := emit(started); err != nil {
			return err
		}
		<-ctx.Done()
		return ctx.Err()
	}}
	got := langevin(t, script, "sample", "ring", "--save-state", "s", "--out", "x.npy", "--timeout", "10s")
	const want = "--save-state: this langevin does not know the sampler, so --resume could not go on"
	if got.code != cli.ExitFailed || got.stdout != "" || !oneLineWith(got.stderr, want) {
		t.Errorf("%+v\nwant code 1 and %q", got, want)
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
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, rows, _ := bytes.Cut(file, []byte("\n"))
	head = append(slices.Clone(head[:bytes.LastIndex(head, []byte(`,"sha256":`))]), '}')
	x, err := data.DecodeNPY(bytes.NewReader(rows))
	if err != nil || x.Shape[0] != 300 || !bytes.Contains(head, []byte(`"n":300,"finished":299,`)) {
		t.Fatalf("the last state has shape %v, or %v, and begins with %s", x.Shape, err, head)
	}
	for _, finished := range []int{299, 100, 0} { // without a state of the others
		begin := bytes.Replace(head, []byte(`"finished":299,`), fmt.Appendf(nil, `"finished":%d,`, finished), 1)
		kept := npy("<f4", fmt.Sprintf("(%d, 2)", finished), x.Values[:2*finished])
		if finished == 0 {
			kept = nil
		}
		if err := os.WriteFile(path, slices.Concat(begin, []byte("\n"), kept), 0o600); err != nil {
			t.Fatal(err)
		}
		if rest := draw("--resume", path); whole.code != cli.ExitOK || rest != whole {
			t.Errorf("resumed after %d chains: code %d and %s, want the same bytes", finished, rest.code, rest.stderr)
		}
	}
}

// TestStateGrows: a state is there from the start of a call. It has the chains that came and the states of all others,
// and each interruption adds to it.
func TestStateGrows(t *testing.T) {
	t.Chdir(t.TempDir())
	batch := func(x ...float32) client.Batch { return client.Batch{X: x, Shape: []int{2}, N: len(x) / 2} }
	started := func(n int, first uint64) client.Started {
		return client.Started{Model: "ring", Version: 2, Digest: "d", N: n, Seed: 7, FirstChain: first, Shape: []int{2},
			Steps: 9, Engine: "e", Resumable: true,
			Sampler: client.Langevin{Sigma: 1, Steps: 9, StepSize: 0.1, Denoise: new(false)}}
	}
	var asked *client.SampleRequest // the first of a command, which then tries again
	draw := func(answer fake.SampleFunc, args ...string) outcome {
		asked = nil
		return langevin(t, fake.Script{Models: []client.Model{ring()}, Sample: func(ctx context.Context,
			req client.SampleRequest, emit func(client.Event) error) error {
			if asked == nil {
				asked = &req
			}
			return answer(ctx, req, emit)
		}}, append([]string{"sample"}, args...)...)
	}
	got := draw(func(ctx context.Context, req client.SampleRequest, emit func(client.Event) error) error {
		_ = emit(started(4, 8))
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
			if _, err := os.Stat("s"); err == nil {
				break
			}
			if time.Now().After(deadline) {
				t.Error("there is no state 10 s after the start")
				break
			}
		}
		return interrupted(client.Chunk{Batch: batch(1, 2), FirstChain: 8})(ctx, req, emit)
	}, "ring", "-n", "4", "--first-chain", "8", "--save-state", "s")
	if got.code != cli.ExitFailed || !strings.Contains(got.stderr, "(1 of 4 chains finished, the others not begun)") {
		t.Fatalf("the first: %+v", got)
	}
	got = draw(interrupted(started(3, 9),
		client.Preview{Batch: batch(10, 10, 20, 20, 30, 30), FirstChain: 9, Step: 5, Sigma: 1},
		client.Chunk{Batch: batch(3, 4), FirstChain: 9}), "--resume", "s", "--save-state", "s")
	if got.code != cli.ExitFailed || asked.N != 3 || asked.FirstChain != 9 || asked.Resume != nil ||
		!strings.Contains(got.stderr, "(2 of 4 chains finished, the others after step 5)") {
		t.Fatalf("the second: %+v, asked %+v", got, asked)
	}
	got = draw(interrupted(started(2, 10)), "--resume", "s", "--save-state", "s") // which brings nothing
	want := &client.Resume{Digest: "d", Step: 5, X: batch(20, 20, 30, 30)}
	if diff := cmp.Diff(want, asked.Resume); diff != "" || asked.N != 2 || asked.FirstChain != 10 ||
		!strings.Contains(got.stderr, "(2 of 4 chains finished, the others after step 5)") {
		t.Fatalf("the third: %+v, resumes with (-want +got):\n%s", got, diff)
	}
	got = draw(fake.Events(started(2, 10), client.Chunk{Batch: batch(5, 6, 7, 8), FirstChain: 10}, client.Done{N: 2}),
		"--resume", "s")
	if got.code != cli.ExitOK || got.stdout != "1,2\n3,4\n5,6\n7,8\n" || cmp.Diff(want, asked.Resume) != "" {
		t.Errorf("the last: %+v", got)
	}
	heun := started(4, 8)
	heun.Resumable, heun.Sampler = false, client.ProbabilityFlow{Sigmas: []float64{2, 1}, Method: client.FlowHeun}
	got = draw(interrupted(heun, client.Preview{Batch: batch(1, 1, 2, 2, 3, 3, 4, 4), FirstChain: 8, Step: 5, Sigma: 1},
		client.Chunk{Batch: batch(1, 2), FirstChain: 8}), "ring", "-n", "4", "--first-chain", "8", "--save-state", "h")
	if !strings.Contains(got.stderr, "(1 of 4 chains finished, the others not begun)") {
		t.Errorf("from whose states none can go on: %+v", got)
	}
	other := started(2, 10)
	other.Digest = "x"
	got = draw(interrupted(other), "--resume", "s", "--save-state", "new")
	if got.code != cli.ExitFailed || !oneLineWith(got.stderr, "a model ring with digest d, and the server has x") {
		t.Errorf("another model: %+v", got)
	}
	checkFiles(t, ".", "h", "s")
}

// TestStateOfTable: the state of a table keeps finished rows as they came, and of the others what the network sees. It
// goes on from there. A server that is older than the one before shows values of columns, from which nothing goes on.
func TestStateOfTable(t *testing.T) {
	t.Chdir(t.TempDir())
	batch := func(width int, x ...float32) client.Batch {
		return client.Batch{X: x, Shape: []int{width}, N: len(x) / width}
	}
	started := func(n int, first uint64) client.Started {
		return client.Started{Model: "pets", Version: 1, Digest: "d", N: n, Seed: 7, FirstChain: first, Shape: []int{2},
			Steps: 9, Engine: "e", Resumable: true, Table: pets().Table,
			Sampler: client.Langevin{Sigma: 1, Steps: 9, StepSize: 0.1, Denoise: new(false)}}
	}
	var asked *client.SampleRequest
	draw := func(answer fake.SampleFunc) outcome {
		asked = nil
		return langevin(t, fake.Script{Models: []client.Model{pets()}, Sample: func(ctx context.Context,
			req client.SampleRequest, emit func(client.Event) error) error {
			if asked == nil {
				asked = &req
			}
			return answer(ctx, req, emit)
		}}, "sample", "pets", "-n", "3", "--seed", "7", "--state", "s", "--out", "x.csv")
	}
	got := draw(interrupted(started(3, 0),
		client.Preview{Batch: batch(3, 0, 0, 0, .1, -1, 1, .2, 1, -1), Step: 4, Sigma: 1, ForResume: true},
		client.Chunk{Batch: batch(2, 170, 1)}))
	if got.code != cli.ExitFailed || asked.Resume != nil || asked.Preview == nil || !asked.Preview.Unfinished ||
		!strings.Contains(got.stderr, "(1 of 3 chains finished, the others after step 4)") {
		t.Fatalf("the first: %+v, asked %+v", got, asked)
	}
	want := &client.Resume{Digest: "d", Step: 4, X: batch(3, .1, -1, 1, .2, 1, -1)}
	got = draw(interrupted(started(2, 1), // an older server
		client.Preview{Batch: batch(2, 180, 0, 190, 1), FirstChain: 1, Step: 8, Sigma: 1}))
	if diff := cmp.Diff(want, asked.Resume); diff != "" || !strings.Contains(got.stderr, "the others after step 4)") {
		t.Fatalf("the second: %+v, resumes with (-want +got):\n%s", got, diff)
	}
	got = draw(fake.Events(started(2, 1), client.Chunk{Batch: batch(2, 180, 0, 190, 1), FirstChain: 1},
		client.Done{N: 2}))
	whole, err := os.ReadFile("x.csv")
	if diff := cmp.Diff(want, asked.Resume); diff != "" || got.code != cli.ExitOK || err != nil ||
		string(whole) != "height,kind\n170,dog\n180,cat\n190,dog\n" {
		t.Errorf("the third: %+v, %q, %v, resumes with (-want +got):\n%s", got, whole, err, diff)
	}
	checkFiles(t, ".", "x.csv")
}

// TestStateOfJob: the same command line, started again with --state, goes on where it was interrupted and removes the
// state when its output is complete. Another command line is refused.
func TestStateOfJob(t *testing.T) {
	t.Chdir(t.TempDir())
	batch := func(x ...float32) client.Batch { return client.Batch{X: x, Shape: []int{2}, N: len(x) / 2} }
	started := func(n int, first uint64) client.Started {
		return client.Started{Model: "ring", Version: 2, Digest: "d", N: n, Seed: 7, FirstChain: first, Shape: []int{2},
			Steps: 9, Engine: "e", Resumable: true, Sampler: client.Langevin{Sigma: 1, Steps: 9, StepSize: 0.1}}
	}
	var asked *client.SampleRequest
	draw := func(answer fake.SampleFunc, args ...string) outcome {
		asked = nil
		return langevin(t, fake.Script{Models: []client.Model{ring()}, Sample: func(ctx context.Context,
			req client.SampleRequest, emit func(client.Event) error) error {
			if asked == nil {
				asked = &req
			}
			return answer(ctx, req, emit)
		}}, append([]string{"sample", "ring", "--state", "s"}, args...)...)
	}
	job := []string{"-n", "3", "--seed", "7", "--out", "x.csv"}
	half := interrupted(started(3, 0), client.Chunk{Batch: batch(1, 2), FirstChain: 0})
	if got := draw(half, job...); got.code != cli.ExitFailed ||
		!strings.Contains(got.stderr, "(1 of 3 chains finished, the others not begun): go on with --state s\n") {
		t.Fatalf("the first: %+v", got)
	}
	for want, other := range map[string][]string{
		"begun with n 3, and now it is 4:":     {"-n", "4", "--seed", "7"},
		"begun with seed 7, and now it is 8:":  {"-n", "3", "--seed", "8"},
		"langevin not set, and now it is set:": {"-n", "3", "--seed", "7", "--sampler", "langevin"},
		"leave these out":                      {"--save-state", "t"},
	} {
		if got := draw(half, other...); got.code == cli.ExitOK || asked != nil || !oneLineWith(got.stderr, want) {
			t.Errorf("%v: %+v, want %q", other, got, want)
		}
	}
	checkFiles(t, ".", "s")
	rest := fake.Events(started(2, 1), client.Chunk{Batch: batch(3, 4, 5, 6), FirstChain: 1}, client.Done{N: 2})
	got := draw(rest, job...)
	whole, err := os.ReadFile("x.csv")
	if got.code != cli.ExitOK || err != nil || string(whole) != "1,2\n3,4\n5,6\n" || asked.N != 2 ||
		asked.FirstChain != 1 {
		t.Errorf("the second: %+v, %q, asked %+v", got, whole, asked)
	}
	checkFiles(t, ".", "x.csv")
	draw(half, "-n", "3", "--seed", "7") // a job that was killed after its output was complete leaves a state
	if got := draw(half, append(job, "--skip-existing")...); got.code != cli.ExitOK || asked != nil {
		t.Errorf("the third: %+v", got)
	}
	checkFiles(t, ".", "x.csv")
	collapsed := func(ctx context.Context, req client.SampleRequest, emit func(client.Event) error) error {
		return errors.Join(fake.Events(started(3, 0), client.Chunk{Batch: batch(1, 2)})(ctx, req, emit),
			&client.Error{Code: 9, Reason: "WEIGHTS_COLLAPSED"})
	}
	if got := draw(collapsed, "-n", "3", "--seed", "7"); got.code != cli.ExitFailed ||
		strings.Contains(got.stderr, "go on with") { // the chain would collapse again
		t.Errorf("collapsed: %+v", got)
	}
}

// TestStateOfMeasurement: a job goes on with the measurement that began it, whose picture is in the model's range by
// then. A command with another measurement is refused, and told what differs.
func TestStateOfMeasurement(t *testing.T) {
	writeFiles(t, map[string][]byte{
		"image.npy": npy("<f4", "(1, 1, 2)", []float32{0.25, 1}), "other.npy": npy("<f4", "(1, 1, 2)", []float32{0, 1}),
	})
	for _, name := range []string{"image", "other"} {
		made := langevin(t, fake.Script{}, "measure", name+".npy", "--measure", "pool:1", "--out", name+".png")
		if made.code != cli.ExitOK {
			t.Fatalf("%+v", made)
		}
	}
	m := client.Model{Name: "flat", Version: 3, State: client.ModelReady, Shape: []int{1, 1, 2}, Low: -1, High: 1}
	var asked *client.SampleRequest
	draw := func(args ...string) outcome {
		asked = nil
		return langevin(t, fake.Script{Models: []client.Model{m}, Sample: func(ctx context.Context,
			req client.SampleRequest, emit func(client.Event) error) error {
			asked = &req
			return interrupted(client.Started{Model: "flat", Version: 3, Digest: "d", N: 1, Seed: 7, Shape: m.Shape,
				Steps: 9, Sampler: client.ReverseSDE{Steps: 9}, Measurement: req.Measurement})(ctx, req, emit)
		}}, append(strings.Fields("sample flat --seed 7 --state s --measure pool:1 --out x.png"), args...)...)
	}
	job := []string{"--observed", "image.png", "--noise", "0.5"}
	draw(job...)
	first := asked.Measurement
	if got := draw(job...); asked == nil || cmp.Diff(first, asked.Measurement) != "" ||
		math.Abs(float64(first.Values[0])+0.5) > 1e-4 {
		t.Errorf("the second: %+v asks for %+v, and the first asked for %+v", got, asked, first)
	}
	for want, other := range map[string][]string{
		"by a command with another measurement.values:":      {"--observed", "other.png", "--noise", "0.5"},
		"with measurement.noise_std 0.5, and now it is 0.2:": {"--observed", "image.png", "--noise", "0.2"},
		"with measurement.particles not set, and now it is":  append(job, "--particles", "9"),
	} {
		if got := draw(other...); got.code == cli.ExitOK || asked != nil || !oneLineWith(got.stderr, want) {
			t.Errorf("%v: %+v, want %q", other, got, want)
		}
	}
}

// TestStatesOnTheWay: a call asks for the states of all chains if there are few that fit into an event, and for none
// otherwise. Those of a table are as wide as the network sees them.
func TestStatesOnTheWay(t *testing.T) {
	t.Chdir(t.TempDir())
	wide := pets()
	wide.Table[1].Width = 255
	few := func(chains int) *client.PreviewOptions {
		return &client.PreviewOptions{MaxFrames: 30, Chains: chains, Unfinished: true}
	}
	for of, want := range map[string]*client.PreviewOptions{
		"ring 1": few(1), "ring 4096": few(4096), "ring 4097": nil, "ring 200000": nil,
		"pets 1024": few(1024), "pets 1025": nil,
	} {
		var asked client.SampleRequest
		model, n, _ := strings.Cut(of, " ")
		langevin(t, fake.Script{Models: []client.Model{ring(), wide}, Sample: func(_ context.Context,
			req client.SampleRequest, _ func(client.Event) error) error {
			asked = req
			return &client.Error{Code: 3, Message: "enough"}
		}}, "sample", model, "-n", n, "--save-state", "s")
		if diff := cmp.Diff(want, asked.Preview); diff != "" {
			t.Errorf("%s (-want +got):\n%s", of, diff)
		}
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
		"few": append([]byte(`{"format":"langevin-state-2","n":5,"finished":2,"sampler":{"kind":"langevin"}}`+"\n"),
			npy("<f4", "(3, 1)", []float32{1, 2, 3})...),
		"seen": []byte(`{"format":"langevin-state-2","n":2,"seen":{"X":[1,2,3],"N":2,"Shape":[2]},` +
			`"sampler":{"kind":"langevin"}}` + "\n"),
		"done": append([]byte(`{"format":"langevin-state-2","n":1,"finished":1,"sampler":{"kind":"langevin"}}`+"\n"),
			npy("<f4", "(1, 1)", []float32{1})...),
	})
	for name, want := range map[string]string{
		"nowhere": "read nowhere: no such file", "npy": "read npy: it is no state", "other": "read other: " +
			"it is no state",
		"short": "read short: it is not in NumPy's array format", "flat": "its states have shape [2]",
		"bytes": "its states have shape [2 1]",
		"newer": `read newer: kind of sampler is "walk", which this program does not know`,
		"few":   "read few: it has 3 rows for 5 chains, 2 of them finished: want one for each, or for each finished",
		"done":  "read done: it has 1 row for 1 chain, 1 of them finished",
		"seen":  "read seen: it has 2 rows of shape [2] in 3 numbers for 2 chains that have not finished",
		"none":  "read none: it does not say which sampler its states are of",
	} {
		if got := langevin(t, fake.Script{}, "sample", "--resume", name); got.code != cli.ExitFailed ||
			!oneLineWith(got.stderr, want) {
			t.Errorf("--resume %s: %+v, want %q", name, got, want)
		}
	}
}
