package main

import (
	"context"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/client/fake"
	"github.com/langevin-ml/langevin/internal/cli"
)

// TestFlowCommands: on N(0, 1) a decoded latent is where it came from, the log density is the exact one of the data
// blurred by the smallest sigma, and the score is -x/(1+σ²).
func TestFlowCommands(t *testing.T) {
	flags := append([]string{"--local"}, inside(t, modelFolder(t))...)
	writeFiles(t, map[string][]byte{"x.csv": []byte("0.5,-1\n2,0\n"),
		"x.npy": npy("<f4", "(2, 2)", []float32{0.5, -1, 2, 0})})
	x := []float64{0.5, -1, 2, 0}
	ask := func(args ...string) []float64 {
		t.Helper()
		got := runAlone(t, append(args, flags...)...)
		if got.code != cli.ExitOK {
			t.Fatalf("%v: %+v", args, got)
		}
		var values []float64
		for _, field := range strings.FieldsFunc(got.stdout, func(r rune) bool { return r == ',' || r == '\n' }) {
			v, err := strconv.ParseFloat(field, 64)
			if err != nil {
				t.Fatal(err)
			}
			values = append(values, v)
		}
		return values
	}
	ask("encode", "gauss", "--in", "x.csv", "--out", "z.npy")
	agree(t, "decoded", ask("decode", "gauss", "--in", "z.npy"), x, 1e-3)
	const sigma2 = 0.25
	agree(t, "score", ask("score", "gauss", "--in", "x.npy", "--sigma", "0.5"),
		[]float64{-0.5 / (1 + sigma2), 1 / (1 + sigma2), -2 / (1 + sigma2), 0}, 1e-5)
	logP := func(a, b float64) float64 { return -(a*a+b*b)/2/1.01 - math.Log(2*math.Pi*1.01) }
	// The prior N(0, 10²) beside the flow's own N(0, 101) is worth some hundredths.
	agree(t, "log density", ask("likelihood", "gauss", "--in", "x.csv", "--exact"),
		[]float64{logP(0.5, -1), logP(2, 0)}, 0.05)
}

// TestManyRows: rows of any number are taken, in calls of which each fits a message, and come out in their order.
func TestManyRows(t *testing.T) {
	const n = 1000
	x := make([]float32, n*784)
	for i := range n {
		x[784*i] = float32(i)
	}
	writeFiles(t, map[string][]byte{"x.npy": npy("<f4", "(1000, 28, 28)", x)})
	var calls atomic.Int64
	script := fake.Script{
		Models: []client.Model{{
			Name: "m", Version: 1, State: client.ModelReady, Default: true, Shape: []int{1, 28, 28},
		}},
		LogLikelihood: func(_ context.Context, r client.LogLikelihoodRequest) (*client.LogLikelihoods, error) {
			calls.Add(1)
			if !slices.Equal(r.Shape, []int{1, 28, 28}) {
				t.Errorf("rows of shape %v", r.Shape)
			}
			answer := &client.LogLikelihoods{Model: "m", Version: 1, Digest: "d", NFE: make([]int64, len(r.X)/784)}
			for i := range answer.NFE {
				answer.LogP = append(answer.LogP, float64(r.X[784*i])+float64(r.FirstChain)+float64(i))
			}
			return answer, nil
		},
	}
	got := langevin(t, script, "likelihood", "m", "--in", "x.npy", "--first-chain", "7")
	if short := langevin(t, script, "likelihood", "m", "x.npy", "--first-chain", "7"); short.stdout != got.stdout {
		t.Errorf("with the file as an argument: %.80q, want %.80q", short.stdout, got.stdout)
	}
	calls.Store(calls.Load() / 2)
	lines := strings.Fields(got.stdout)
	if got.code != cli.ExitOK || len(lines) != n || calls.Load() != 3 {
		t.Fatalf("%d lines of %d calls, code %d: %s", len(lines), calls.Load(), got.code, got.stderr)
	}
	for i, line := range lines {
		if want := strconv.Itoa(i + i + 7); line != want { // its element, and the address of its random vector
			t.Fatalf("line %d is %s, want %s", i, line, want)
		}
	}
}

func agree(t *testing.T, what string, got, want []float64, within float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %v, want %v", what, got, want)
	}
	for i, v := range got {
		if !(math.Abs(v-want[i]) <= within) {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
}

func TestBadRows(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, text := range map[string]string{
		"empty.csv": "", "ragged.csv": "1,2\n3\n", "words.csv": "x,y\n", "huge.txt": "1,1e40\n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for line, want := range map[string]string{
		"score --in empty.csv --sigma 1":  "read empty.csv: it is empty",
		"score --in ragged.csv --sigma 1": "line 2 has 1 number: want 2, as line 1",
		"encode --in words.csv":           "read words.csv: it has no rows",
		"decode --in nowhere.csv":         "read nowhere.csv: no such file",
		"likelihood --in huge.txt":        "read huge.txt: line 1, column 2 is 1e40, which does not fit float32",
		"encode ring":                     `--in is "": want a file`,
		"score ring x.csv --in y.csv":     "x.csv and --in y.csv: want one file",
		"likelihood ring nowhere.csv":     "read nowhere.csv: no such file",
		"encode --in x.csv --rtol -1":     "--rtol is -1: want a finite number above 0",
	} {
		if got := runAlone(t, strings.Fields(line)...); got.code == cli.ExitOK || got.stdout != "" ||
			!oneLineWith(got.stderr, want) {
			t.Errorf("langevin %s: %+v, want %q", line, got, want)
		}
	}
}
