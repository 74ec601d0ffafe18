package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"image/gif"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/client/fake"
	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/drawing"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

func TestSampleAsCSV(t *testing.T) {
	got := langevin(t, fake.Script{Sample: points()}, "sample", "ring", "-n", "3", "--seed", "0x10", "--first-chain",
		"2")
	want := outcome{cli.ExitOK, "2,-0.6666667\n3,-1\n4,-1.3333334\n", ""}
	if got != want {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

// TestSampleFlags: what the flags say is what the server is asked for.
func TestSampleFlags(t *testing.T) {
	for line, want := range map[string]client.SampleRequest{
		"":                     {N: 1},
		"ring@3 -n 5 --seed 0": {Model: "ring", Version: 3, N: 5, Seed: new(uint64(0))},
		"--first-chain 7":      {N: 1, FirstChain: 7},
		"--sampler annealed":   {N: 1, Sampler: client.AnnealedLangevin{}},
		"--denoise":            {N: 1, Sampler: client.AnnealedLangevin{Denoise: new(true)}},
		"--step-lr 1e-3 --denoise=false": {
			N: 1, Sampler: client.AnnealedLangevin{StepLR: 1e-3, Denoise: new(false)}},
		"--sigmas 3,2.5,1 --steps-per-level 4": {
			N: 1, Sampler: client.AnnealedLangevin{Sigmas: []float64{3, 2.5, 1}, StepsPerLevel: 4}},
		"--consistent":       {N: 1, Sampler: client.AnnealedLangevin{Consistent: new(true)}},
		"--sampler langevin": {N: 1, Sampler: client.Langevin{}},
		"--sampler langevin --sigma 2 --steps 9 --step-size 0.5 --denoise": {
			N: 1, Sampler: client.Langevin{Sigma: 2, Steps: 9, StepSize: 0.5, Denoise: new(true)}},
		"--sampler pc": {N: 1, Sampler: client.PredictorCorrector{}},
		"--sampler pc --process sub-vp --beta-min 0.2 --beta-max 10 --times 500 --predictor euler-maruyama " +
			"--corrector langevin --corrector-steps 2 --snr 0.1 --epsilon 1e-4 --denoise=false": {
			N: 1, Sampler: client.PredictorCorrector{Process: client.ProcessSubVP, BetaMin: 0.2, BetaMax: 10,
				Times: 500, Predictor: client.PredictorEulerMaruyama,
				Corrector: client.CorrectorLangevin, CorrectorSteps: 2, SNR: 0.1, Epsilon: 1e-4, Denoise: new(false)}},
		"--sampler pc --sigma-min 0.1 --sigma-max 9 --predictor none --corrector annealed_langevin": {
			N: 1, Sampler: client.PredictorCorrector{
				SigmaMin: 0.1, SigmaMax: 9, Predictor: client.PredictorNone, Corrector: client.CorrectorAnnealed}},
		"--sampler flow": {N: 1, Sampler: client.ProbabilityFlow{}},
		"--sampler flow --method multistep --flow-steps 9": {
			N: 1, Sampler: client.ProbabilityFlow{Method: client.FlowMultistep, Steps: 9}},
		"--sampler flow --sigmas 3,1 --denoise": {
			N: 1, Sampler: client.ProbabilityFlow{Sigmas: []float64{3, 1}, Denoise: new(true)}},
		"--sampler sde --sde-steps 9 --eta 0 --sde-method euler --noise 0.9 --rho 5": {
			N: 1, Sampler: client.ReverseSDE{Steps: 9, Eta: new(0.0), Method: client.ReverseEuler, Noise: 0.9, Rho: 5}},
		"--sampler consistency --consistency-steps 4 --rho 5": {N: 1, Sampler: client.Consistency{Steps: 4, Rho: 5}},
		"--sampler consistency --sigmas 9,1": {
			N: 1, Sampler: client.Consistency{Sigmas: []float64{9, 1}}},
		"--sde-steps 60":                {N: 1, Sampler: client.ReverseSDE{Steps: 60}},
		"--consistency-steps 4 --rho 5": {N: 1, Sampler: client.Consistency{Steps: 4, Rho: 5}},
		"--method heun --denoise": {
			N: 1, Sampler: client.ProbabilityFlow{Method: client.FlowHeun, Denoise: new(true)}},
		"--interpolate 8": {N: 8, Columns: 8},
		"--guide cats":    {N: 1, Guidance: &client.Guidance{Model: "cats"}},
		"--guide cats@2 --guide-weight -1.5 --guide-rule mix": {N: 1, Guidance: &client.Guidance{
			Model: "cats", Version: 2, Weight: new(-1.5), Rule: client.GuidanceMix}},
		"--class 7 --guidance-scale 2": {N: 1, Given: client.Class(7), GuidanceScale: new(2.0)},
		"--class trouser -n 2":         {N: 2, Given: client.ClassName("trouser")},
		"--class 0,1,cat -n 5 --first-chain 1": {N: 5, FirstChain: 1, Given: client.Each{
			client.Class(1), client.ClassName("cat"), client.Class(0), client.Class(1), client.ClassName("cat")}},
		"--class 8..9,0 -n 3":   {N: 3, Given: client.Each{client.Class(8), client.Class(9), client.Class(0)}},
		"--given-vector 0.5,-2": {N: 1, Given: client.Vector{0.5, -2}},
		"--term other --term other@2,class=7,weight=-0.5 --term vector=1:2 --term a=0.25,class=shoe --own-weight 2": {
			N: 1, Sum: &client.Sum{OwnWeight: new(2.0), Terms: []client.Term{
				{Model: "other"}, {Model: "other", Version: 2, Given: client.Class(7), Weight: new(-0.5)},
				{Given: client.Vector{1, 2}}, {Model: "a", Given: client.ClassName("shoe"), Weight: new(0.25)}}}},
		"--interpolate 8 -n 40 --first-chain 8": {N: 40, Columns: 8, FirstChain: 8},
	} {
		var got client.SampleRequest
		script := fake.Script{Sample: func(ctx context.Context, req client.SampleRequest,
			emit func(client.Event) error) error {
			got = req
			return points()(ctx, req, emit)
		}}
		if out := langevin(t, script, append([]string{"sample"}, strings.Fields(line)...)...); out.code != cli.ExitOK {
			t.Errorf("sample %s: %+v", line, out)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("sample %s (-want +got):\n%s", line, diff)
		}
	}
}

func TestSampleAsJSON(t *testing.T) {
	got := langevin(t, fake.Script{Sample: points()}, "sample", "ring", "-n", "2", "--seed", "18446744073709551615",
		"--json")
	var report map[string]any
	if err := json.Unmarshal([]byte(got.stdout), &report); err != nil || got.code != cli.ExitOK {
		t.Fatalf("%v: %+v", err, got)
	}
	want := map[string]any{
		"model": "ring", "version": 1.0, "digest": "fake", "engine": "fake", "seed": "18446744073709551615",
		"first_chain": "0",
		"n":           2.0, "shape": []any{2.0}, "nfe": 4.0, "seconds": 0.0,
		"sampler": map[string]any{"kind": "annealed_langevin", "sigmas": []any{1.0}, "steps_per_level": 2.0,
			"step_lr": 0.1, "denoise": false},
		"samples": []any{[]any{0.0, 0.0}, []any{1.0, -0.33333334}},
	}
	if diff := cmp.Diff(want, report); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
}

// TestSamplersAreTold: what the server says of its sampler is in the report and in the summary.
func TestSamplersAreTold(t *testing.T) {
	for _, tt := range []struct {
		sampler client.Sampler
		report  string
		text    string
	}{
		{client.Langevin{Sigma: 0.5, Steps: 9, StepSize: 0.1},
			`{"kind":"langevin","sigma":0.5,"steps":9,"step_size":0.1,"denoise":false}`,
			"plain Langevin (σ 0.5, 9 steps, step size 0.1)"},
		{client.PredictorCorrector{Process: "vp", BetaMin: 0.1, BetaMax: 20, Times: 1000, Predictor: "ancestral",
			Corrector:      "langevin",
			CorrectorSteps: 2, SNR: 0.16, Epsilon: 1e-3, Denoise: new(true)},
			`{"kind":"predictor_corrector","process":"vp","beta_min":0.1,"beta_max":20,"times":1000,` +
				`"predictor":"ancestral","corrector":"langevin",` +
				`"corrector_steps":2,"snr":0.16,"epsilon":0.001,"denoise":true}`,
			"predictor-corrector (process vp, 1,000 times, predictor ancestral, corrector langevin, 2 corrector " +
				"steps, smallest time 0.001)"},
		{client.ProbabilityFlow{Sigmas: []float64{2, 1}, Method: "euler", Denoise: new(false)},
			`{"kind":"probability_flow","sigmas":[2,1],"method":"euler","denoise":false}`,
			"probability flow (2 sigmas, method euler, no denoise)"},
		{client.AnnealedLangevin{Sigmas: []float64{2}, StepsPerLevel: 1, StepLR: 0.1, Denoise: new(false),
			Consistent: new(false)},
			`{"kind":"annealed_langevin","sigmas":[2],"steps_per_level":1,"step_lr":0.1,"denoise":false}`,
			"annealed Langevin (1 sigma, 1 step per level, step size at the last level 0.1)"},
	} {
		report, err := json.Marshal(drawing.NewSamplerReport(tt.sampler))
		if err != nil || string(report) != tt.report {
			t.Errorf("%+v: %s, %v\nwant %s", tt.sampler, report, err, tt.report)
		}
		if text := drawing.SamplerText(tt.sampler); text != tt.text {
			t.Errorf("%+v: %q, want %q", tt.sampler, text, tt.text)
		}
	}
}

// TestSampleToTerminal: a person gets a summary and a bar in place of a flood.
func TestSampleToTerminal(t *testing.T) {
	p := &cli.Program{TerminalOut: true, TerminalErr: true}
	got := langevinOn(t, p, fake.Script{Sample: points()}, "sample", "ring", "-n", "1000")
	for _, part := range []string{"1,000 chains", "ring version 1, seed 1", "499.500", "288.675", "--out samples.csv"} {
		if !strings.Contains(got.stdout, part) { // mean and deviation of 0 to 999: 999/2 and √((1000²-1)/12)
			t.Errorf("no %q in %s", part, got.stdout)
		}
	}
	if lines := strings.Count(got.stdout, "\n"); lines > 20 {
		t.Errorf("%d lines", lines)
	}
	if !strings.Contains(got.stderr, "100 %") || !strings.Contains(got.stderr, "score evaluations") {
		t.Errorf("progress: %q", got.stderr)
	}
	measured := fake.Events(
		client.Started{Model: "ring", Version: 1, N: 2, Shape: []int{1}, Steps: 1, Sampler: client.ReverseSDE{}},
		client.Chunk{Batch: client.Batch{X: []float32{1, 2}, N: 2, Shape: []int{1}}, EffectiveSizes: []float64{3, 6},
			LogEvidences: []float64{-2, -2}},
		client.Done{N: 2, EffectiveSize: 3, LogEvidence: -2})
	const trust = "effective size 3.0 at least and 4.5 on average, log evidence -2\n"
	if got := langevinOn(t, p, fake.Script{Sample: measured}, "sample", "ring"); !strings.Contains(got.stdout, trust) {
		t.Errorf("with particles: %+v", got)
	}
	to := filepath.Join(t.TempDir(), "x.npy")
	if got := langevinOn(t, p, fake.Script{Sample: measured}, "sample", "ring", "--out", to); !strings.Contains(
		got.stderr, trust) {
		t.Errorf("with particles, to a file: %+v", got)
	}
	if strings.Contains(got.stdout, "\x1b[") {
		t.Errorf("colours that nobody asked for: %q", got.stdout)
	}
}

func TestSampleToNPY(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.npy")
	images := fake.Samples([]int{1, 2, 2},
		func(chain uint64) []float32 { return []float32{float32(chain), 1, 2, math.Pi} })
	if got := langevin(t, fake.Script{Sample: images}, "sample", "-n", "3", "--out", path); got.code != cli.ExitOK ||
		got.stdout != "" || got.stderr != "langevin: seed 1\n" { // the seed that the server chose
		t.Fatalf("%+v", got)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	magic, length, rest := data[:8], int(data[8])|int(data[9])<<8, data[10:]
	header, body := string(rest[:length]), rest[length:]
	if string(magic) != "\x93NUMPY\x01\x00" || (10+length)%64 != 0 || !strings.HasSuffix(header, "\n") {
		t.Errorf("magic %q, data at %d, header %q", magic, 10+length, header)
	}
	if want := "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 1, 2, 2,), }"; strings.TrimSpace(header) != want {
		t.Errorf("header %q, want %q", header, want)
	}
	for i, want := range []float32{0, 1, 2, math.Pi, 1, 1, 2, math.Pi, 2, 1, 2, math.Pi} {
		if v := math.Float32frombits(binary.LittleEndian.Uint32(body[4*i:])); v != want {
			t.Errorf("element %d is %v, want %v", i, v, want)
		}
	}
	if len(body) != 4*12 {
		t.Errorf("%d bytes of data, want 48", len(body))
	}
}

func TestSampleToPictures(t *testing.T) {
	script := fake.Script{Sample: points(), Models: []client.Model{ring()}}
	folder := t.TempDir()
	for _, ending := range []string{".png", ".gif", ".CSV"} {
		path := filepath.Join(folder, "x"+ending)
		p := &cli.Program{TerminalErr: true}
		got := langevinOn(t, p, script, "sample", "-n", "5", "--out", path)
		if got.code != cli.ExitOK || got.stdout != "" || !strings.Contains(got.stderr, path+": 5 chains") {
			t.Errorf("%s: %+v", ending, got)
		}
	}
	still, err := os.Open(filepath.Join(folder, "x.png"))
	if err != nil {
		t.Fatal(err)
	}
	defer still.Close()
	if _, err := png.Decode(still); err != nil {
		t.Error(err)
	}
	moving, err := os.Open(filepath.Join(folder, "x.gif"))
	if err != nil {
		t.Fatal(err)
	}
	defer moving.Close()
	if g, err := gif.DecodeAll(moving); err != nil || len(g.Image) != 1 { // the fake sends one preview
		t.Errorf("gif: %v", err)
	}
	checkFiles(t, folder, "x.CSV", "x.gif", "x.png")
}

// checkFiles fails the test unless the folder has exactly the files named.
func checkFiles(t *testing.T, folder string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if !slices.Equal(got, want) {
		t.Errorf("files %v, want %v", got, want)
	}
}

// TestSampleFails: every failure is one line, exit code 1, nothing on stdout, and leaves the files as they were.
func TestSampleFails(t *testing.T) {
	word := ring()
	word.Name, word.Shape, word.Default = "word", []int{7}, false
	models := []client.Model{ring(), word}
	for name, tt := range map[string]struct {
		script fake.Script
		args   string
		want   string
	}{
		"unknown model": {
			fake.Script{Sample: fake.Fail(&client.Error{Code: codes.NotFound, Reason: langevinv1.ReasonModelNotFound,
				Message: "no model is called rng:\nnear are ring"})}, "rng",
			"sample rng: no model is called rng: near are ring"},
		"diverged": {fake.Script{Sample: fake.Fail(&client.Error{Code: codes.FailedPrecondition,
			Reason:  langevinv1.ReasonDiverged,
			Message: "chain 3 diverged"})}, "ring", "sample ring: chain 3 diverged"},
		"truncated": {
			fake.Script{Sample: fake.Events()}, "ring --out kept.csv", "the stream ended after 0 of 0 chains"},
		"not drawable": {
			fake.Script{Models: models}, "word --out kept.png", "draw word: samples of shape [7] cannot be drawn"},
		"no such picture": {
			fake.Script{Models: models}, "none --out kept.gif", `get model none: no model is called "none"`},
		"no folder":  {fake.Script{}, "ring --out none/x.csv", "write none/x.csv: no such file or directory"},
		"a folder":   {fake.Script{}, "ring --out folder.csv", "write folder.csv: it is a folder"},
		"no server":  {fake.Script{}, "ring --server 127.0.0.1:1", "no server answers at 127.0.0.1:1"},
		"bad server": {fake.Script{}, "ring --server a:b:c", "no server answers at a:b:c"},
		"timeout": {
			fake.Script{Sample: func(ctx context.Context, _ client.SampleRequest, _ func(client.Event) error) error {
				<-ctx.Done()
				return ctx.Err()
			}}, "ring --timeout 20ms", "not done within --timeout 20ms"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			for _, path := range []string{"kept.csv", "kept.gif", "kept.png"} {
				if err := os.WriteFile(path, []byte("old"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Mkdir("folder.csv", 0o755); err != nil {
				t.Fatal(err)
			}
			args := strings.Fields(tt.args)
			p := &cli.Program{}
			if slices.Contains(args, "--server") {
				p = nil
			}
			got := runAgainst(t, p, tt.script, append([]string{"sample"}, args...))
			if got.code != cli.ExitFailed || got.stdout != "" || !oneLineWith(got.stderr, tt.want) {
				t.Errorf("%+v\nwant code 1 and %q", got, tt.want)
			}
			checkFiles(t, ".", "folder.csv", "kept.csv", "kept.gif", "kept.png")
			for _, path := range []string{"kept.csv", "kept.gif", "kept.png"} {
				if data, err := os.ReadFile(path); err != nil || string(data) != "old" {
					t.Errorf("%s: %q, %v", path, data, err)
				}
			}
		})
	}
}

// runAgainst runs the program with a fake server, or, if p is nil, with the network.
func runAgainst(t *testing.T, p *cli.Program, script fake.Script, args []string) outcome {
	t.Helper()
	if p != nil {
		return langevinOn(t, p, script, args...)
	}
	var stdout, stderr strings.Builder
	code := run(t.Context(), args, &stdout, &stderr)
	return outcome{code, stdout.String(), stderr.String()}
}

func TestSampleTellsLostFrames(t *testing.T) {
	script := fake.Script{Models: []client.Model{ring()}, Sample: fake.Events(
		client.Started{Model: "ring", N: 1, Shape: []int{2}},
		client.Preview{Batch: client.Batch{X: []float32{0, 0}, Shape: []int{2}, N: 1}, Dropped: 3, Sigma: 1},
		client.Chunk{Batch: client.Batch{X: []float32{0, 0}, Shape: []int{2}, N: 1}},
		client.Done{N: 1, PreviewsDropped: 3},
	)}
	got := langevin(t, script, "sample", "ring", "--seed", "0", "--out", filepath.Join(t.TempDir(), "x.gif"))
	if got.code != cli.ExitOK || !oneLineWith(got.stderr, "3 frames were lost") {
		t.Errorf("%+v", got)
	}
}
