package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/client/fake"
	"github.com/langevin-ml/langevin/internal/cli"
)

// losing draws, and meanwhile removes a folder, so that nothing can be written to it at the end.
func losing(t *testing.T, folder string, answer fake.SampleFunc) fake.SampleFunc {
	return func(ctx context.Context, req client.SampleRequest, emit func(client.Event) error) error {
		if err := os.RemoveAll(folder); err != nil {
			t.Error(err)
		}
		return answer(ctx, req, emit)
	}
}

// stateful draws two chains of the ring, and shows a state of them on the way.
func stateful() fake.SampleFunc {
	x := client.Batch{X: []float32{1, 2, 3, 4}, Shape: []int{2}, N: 2}
	return fake.Events(
		client.Started{Model: "ring", Version: 2, Digest: "d", N: 2, Seed: 77, Shape: []int{2}, Steps: 9, Engine: "e",
			Resumable: true, Sampler: client.Langevin{Sigma: 1, Steps: 9, StepSize: 0.1, Denoise: new(false)}},
		client.Preview{Batch: x, Step: 3, Sigma: 1},
		client.Chunk{Batch: x}, client.Done{N: 2, NFE: 18})
}

const twoPoints = "1,2\n3,4\n"

// TestUnwritable: files that cannot be written are refused before anything is drawn.
func TestUnwritable(t *testing.T) {
	t.Chdir(t.TempDir())
	writeFiles(t, map[string][]byte{"file": nil, "x.npy": npy("<f4", "(1, 2)", []float32{1, 2})})
	for _, line := range []string{
		"sample ring --out nowhere/x.npy", "sample ring --save-state nowhere/s", "sample ring --save-state file/s",
		"encode ring --in x.npy --out nowhere/z.npy", "eval ring --neighbours file/x.png",
	} {
		got := langevin(t, fake.Script{Sample: func(context.Context, client.SampleRequest,
			func(client.Event) error) error {
			t.Errorf("%s: it draws", line)
			return nil
		}}, strings.Fields(line)...)
		if got.code == cli.ExitOK || got.stdout != "" || strings.Count(got.stderr, "\n") != 1 {
			t.Errorf("%s: %+v", line, got)
		}
	}
}

// TestSamplesOutliveTheirFiles: what was drawn is delivered though one of its files can no longer be written.
func TestSamplesOutliveTheirFiles(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	t.Chdir(t.TempDir())
	draw := func(args string) outcome {
		if err := os.MkdirAll("gone", 0o755); err != nil {
			t.Fatal(err)
		}
		script := fake.Script{Sample: losing(t, "gone", stateful()), Models: []client.Model{ring()}}
		return langevin(t, script, strings.Fields("sample ring -n 2 "+args)...)
	}
	got := draw("--save-state gone/s")
	if got.code != cli.ExitFailed || got.stdout != twoPoints ||
		!strings.Contains(got.stderr, "write gone/s: no such file") {
		t.Errorf("no state, standard output: %+v", got)
	}
	got = draw("--save-state gone/s --out x.csv")
	if kept, err := os.ReadFile("x.csv"); got.code != cli.ExitFailed || string(kept) != twoPoints ||
		!strings.Contains(got.stderr, "write gone/s: no such file") {
		t.Errorf("no state, a file: %+v, %q, %v", got, kept, err)
	}
	got = draw("--save-state s --out gone/x.csv")
	_, place, _ := strings.Cut(got.stderr, "the content is in ")
	place, _, _ = strings.Cut(place, " instead")
	if kept, err := os.ReadFile(place); got.code != cli.ExitFailed || string(kept) != twoPoints ||
		filepath.Ext(place) != ".csv" || !strings.Contains(got.stderr, "write gone/x.csv: no such file") ||
		!strings.Contains(got.stderr, "langevin: seed 77\n") {
		t.Errorf("no file: %+v, %q, %v", got, kept, err)
	}
	if _, err := os.Stat("s"); err != nil {
		t.Errorf("no file: its state is lost, too: %v", err)
	}
	t.Setenv("TMPDIR", "gone") // nor is there another place
	if got = draw("--out gone/x.csv"); got.code != cli.ExitFailed || strings.Contains(got.stderr, "instead") ||
		!strings.Contains(got.stderr, "langevin: seed 77\n") {
		t.Errorf("no place at all: %+v", got)
	}
}
