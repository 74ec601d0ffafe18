package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/client/fake"
	"github.com/langevin-ml/langevin/internal/cli"
)

func someModels() fake.Script {
	return fake.Script{Models: []client.Model{
		{Name: "broken", Version: 1, State: client.ModelFailed, Error: "the file is cut short", Shape: []int{2}},
		ring(),
		{Name: "words", Version: 1, State: client.ModelLoading, Shape: []int{3}, Training: "not JSON",
			Condition: &client.ModelCondition{Classes: 2, Names: []string{"cat", "dog"}, Dropped: true}},
	}}
}

func TestModelsList(t *testing.T) {
	got := langevin(t, someModels(), "models", "ls")
	want := `NAME    VERSION  STATE    SHAPE  LEVELS  GIVEN               ABOUT
broken  1        failed   [2]    0       nothing             the file is cut short
ring    2        ready    [2]    3       nothing             eight modes (default)
words   1        loading  [3]    0       2 classes, or none  
`
	if got != (outcome{cli.ExitOK, want, ""}) {
		t.Errorf("got %+v\nwant %s", got, want)
	}
}

func TestModelsAsJSON(t *testing.T) {
	got := langevin(t, someModels(), "models", "ls", "--json")
	lines := strings.Split(strings.TrimSpace(got.stdout), "\n")
	if len(lines) != 3 {
		t.Fatalf("%+v", got)
	}
	one := langevin(t, someModels(), "models", "show", "ring@2", "--json")
	if one.stdout != lines[1]+"\n" {
		t.Errorf("show says %s, ls says %s", one.stdout, lines[1])
	}
	var report map[string]any
	if err := json.Unmarshal([]byte(one.stdout), &report); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"name": "ring", "version": 2.0, "state": "ready", "default": true, "description": "eight modes", "digest": "d2",
		"shape": []any{2.0}, "sigmas": []any{10.0, 1.0, 0.1}, "low": -10.0, "high": 10.0, "device": "cpu",
		"sampler": map[string]any{"kind": "annealed_langevin", "sigmas": []any{10.0, 1.0, 0.1},
			"steps_per_level": 100.0, "step_lr": 0.01, "denoise": true},
		"training": map[string]any{"seed": 3.0},
	}
	if diff := cmp.Diff(want, report); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
}

func TestModelsShow(t *testing.T) {
	got := langevin(t, someModels(), "models", "show")
	for _, part := range []string{"ring", "eight modes (default)", "10 to 0.1 in 3 levels",
		"annealed Langevin (3 sigmas, 100 steps per level, step size at the last level 0.01, denoise)", "-10 to 10"} {
		if !strings.Contains(got.stdout, part) {
			t.Errorf("no %q in %s", part, got.stdout)
		}
	}
	given := langevin(t, someModels(), "models", "show", "words")
	if !strings.Contains(given.stdout, "2 classes, or none") || !strings.Contains(given.stdout, "cat, dog") {
		t.Errorf("no condition in %s", given.stdout)
	}
	given = langevin(t, someModels(), "models", "show", "words", "--json")
	if !strings.Contains(given.stdout, `"condition":{"classes":2,"names":["cat","dog"],"dropped":true}`) {
		t.Errorf("no condition in %s", given.stdout)
	}
	if got := langevin(t, someModels(), "models", "show", "broken"); !strings.Contains(
		got.stdout, "the file is cut short") {
		t.Errorf("%+v", got)
	}
	if got := langevin(t, someModels(), "models", "show", "rong"); got.code != cli.ExitFailed ||
		!oneLineWith(got.stderr, `no model is called "rong"`) {
		t.Errorf("%+v", got)
	}
}
