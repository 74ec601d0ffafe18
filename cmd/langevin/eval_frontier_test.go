package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/client/fake"
	"github.com/langevin-ml/langevin/internal/cli"
	evalcommands "github.com/langevin-ml/langevin/internal/eval"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// counted is the model of 2gauss. It counts the draws of more than one chain, refuses a flow of more than 5 steps,
// diverges by Euler's rule, and fails from a given draw on.
func counted(draws *[]client.SampleRequest, failing int) fake.Script {
	script := gaussians(trainedOn2Gauss)
	draw := script.Sample
	script.Sample = func(ctx context.Context, req client.SampleRequest, emit func(client.Event) error) error {
		if flow, ok := req.Sampler.(client.ProbabilityFlow); ok && flow.Steps > 5 {
			return &client.Error{Code: codes.InvalidArgument, Reason: langevinv1.ReasonInvalid,
				Message: "too many steps"}
		}
		if flow, ok := req.Sampler.(client.ProbabilityFlow); ok && flow.Method == client.FlowEuler && req.N > 1 {
			return &client.Error{Code: codes.FailedPrecondition, Reason: langevinv1.ReasonDiverged,
				Message: "at step 1"}
		}
		if req.N > 1 {
			*draws = append(*draws, req)
		}
		if len(*draws) >= failing {
			return errors.New("the machine burns")
		}
		return draw(ctx, req, emit)
	}
	return script
}

func readFrontier(t *testing.T, path string) (f evalcommands.Frontier) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &f)
	}
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// A frontier is measured point by point. What is measured stays in the file, and the same command goes on from there.
func TestFrontier(t *testing.T) {
	out := filepath.Join(t.TempDir(), "new", "gauss")
	line := func(more ...string) []string {
		return append([]string{"eval", "2gauss", "-n", "100", "--frontier", "--out", out}, more...)
	}
	var draws []client.SampleRequest
	got := langevin(t, counted(&draws, 3), line("--samplers", "default,annealed", "--seeds", "1", "--seed", "7")...)
	if got.code != cli.ExitFailed || len(draws) != 3 || !strings.Contains(got.stderr, "the machine burns") ||
		!strings.Contains(got.stderr, "has 2 points; the same command goes on from there") {
		t.Fatalf("%d draws, %+v", len(draws), got)
	}
	if f := readFrontier(t, out+".json"); len(f.Points) != 2 || f.Evaluations != 2 {
		t.Fatalf("%+v", f)
	}
	draws = nil
	got = langevin(t, counted(&draws, 99), line("--samplers", "default,annealed", "--seeds", "2", "--seed", "7")...)
	if got.code != cli.ExitOK || len(draws) != 6 { // two of the first seed, and four with the second
		t.Fatalf("%d draws, %+v", len(draws), got)
	}
	if *draws[1].Seed != 7 || *draws[2].Seed != 8 || draws[2].Sampler != nil {
		t.Errorf("drawn %+v", draws)
	}
	for _, want := range []string{"SLICED WASSERSTEIN", "annealed, steps per level 2", out + ".png"} {
		if !strings.Contains(got.stdout, want) {
			t.Errorf("no %q in\n%s", want, got.stdout)
		}
	}
	checkPoints(t, readFrontier(t, out+".json"))
	if text, err := os.ReadFile(out + ".png"); err != nil || !strings.HasPrefix(string(text), "\x89PNG") {
		t.Errorf("the picture has %d bytes, %v", len(text), err)
	}
	draws = nil
	if got = langevin(t, counted(&draws, 99), line("-n", "101")...); got.code != cli.ExitFailed || len(draws) != 0 ||
		!oneLineWith(got.stderr, "is of another number of samples, 100: name another file with --out, or remove it") {
		t.Errorf("%d draws, %+v", len(draws), got)
	}
}

// checkPoints checks the summary of four points with two seeds each. All draw the same samples.
func checkPoints(t *testing.T, f evalcommands.Frontier) {
	t.Helper()
	if len(f.Points) != 4 || f.N != 100 {
		t.Fatalf("%+v", f)
	}
	for i, p := range f.Points {
		spread := p.Measures["sliced Wasserstein"]
		first := p.Runs[0].Metrics[5]
		if len(p.Runs) != 2 || p.Evaluations != 2 || first.Name != "sliced Wasserstein" || spread.Mean != first.Value ||
			spread.Expected != first.Expected || spread.Deviation > 1e-12 || p.Best != (i == 0) {
			t.Errorf("point %d is %+v", i, p)
		}
	}
}

// A setting that the server refuses for the model, or whose chains diverge, is left out, which is said.
func TestFrontierLeavesOut(t *testing.T) {
	var draws []client.SampleRequest
	got := langevin(t, counted(&draws, 99), "eval", "2gauss", "-n", "100", "--frontier", "--samplers", "flow",
		"--seeds", "1", "--json", "--out", filepath.Join(t.TempDir(), "gauss"))
	var f evalcommands.Frontier
	if err := json.Unmarshal([]byte(got.stdout), &f); err != nil || got.code != cli.ExitOK {
		t.Fatalf("%v: %+v", err, got)
	}
	if len(f.Points) == 0 || len(f.Points) != len(draws) {
		t.Errorf("%d points, %d draws", len(f.Points), len(draws))
	}
	for _, want := range []string{"flow, heun, steps 72 is left out: ", "flow, euler, steps 3 is left out: "} {
		if !strings.Contains(got.stderr, "langevin: "+want) {
			t.Errorf("no %q in %s", want, got.stderr)
		}
	}
}

func TestFrontierRefuses(t *testing.T) {
	for line, want := range map[string]string{
		"--seeds 2":                   "--seeds needs --frontier",
		"--frontier --samplers walk":  "--samplers: walk is no sampler: want default, annealed,",
		"--frontier --flow-steps 9":   "--frontier chooses what to draw: leave out --flow-steps",
		"--frontier --seeds 0":        "--seeds is 0: want a whole number from 1",
		"--frontier --samples x.npy":  "leave out --samples",
		"--frontier --guide-weight 2": "--guide-weight and --guide-rule need --guide",
	} {
		got := langevin(t, gaussians(trainedOn2Gauss), append([]string{"eval", "2gauss"}, strings.Fields(line)...)...)
		if got.code != cli.ExitUsage || !oneLineWith(got.stderr, want) {
			t.Errorf("%s: %+v, want one line that says %q", line, got, want)
		}
	}
}
