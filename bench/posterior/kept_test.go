package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestKeptProblems: what is done is there again, but for a line that a stopped run did not end.
func TestKeptProblems(t *testing.T) {
	path := filepath.Join(t.TempDir(), "problems.jsonl")
	open := func(draws int) (*keptProblems, error) { return keepProblems(path, draws) }
	want := map[int]problem{4: {4, []int{1, 0}, []float64{2.5}}, 2: {2, []int{0, 1}, []float64{3}}}
	k, err := open(1)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range []int{4, 2} {
		if err := k.add(want[i]); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := k.file.WriteString(`{"index":7,"ra`); err != nil {
		t.Fatal(err)
	}
	if err := k.close(); err != nil {
		t.Fatal(err)
	}
	if k, err = open(1); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, k.done); diff != "" {
		t.Errorf("after a stop (-want +got):\n%s", diff)
	}
	last := problem{9, []int{1, 1}, []float64{4}}
	if err := k.add(last); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil || strings.Count(string(text), "\n") != 3 || strings.Contains(string(text), `"index":7`) {
		t.Errorf("the file is %q, %v", text, err)
	}
	if err := k.close(); err != nil {
		t.Fatal(err)
	}
	if _, err := open(2); err == nil || !strings.Contains(err.Error(), "line 1 is not a problem with 2 samples") {
		t.Errorf("with another number of samples: %v", err)
	}
}
