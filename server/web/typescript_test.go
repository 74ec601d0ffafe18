package web_test

import (
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The test downloads compilers from npm, so it runs only on request (make test-openapi).
var withTypeScript = flag.Bool("typescript", false, "compile and run a client that openapi-typescript makes")

// TestTypeScript makes a client of the document with a standard generator, compiles a program that uses it in strict
// mode, and compares what the program receives with what a plain request receives.
func TestTypeScript(t *testing.T) {
	if !*withTypeScript {
		t.Skip("make test-openapi tries a client in TypeScript")
	}
	if _, err := exec.LookPath("npm"); err != nil {
		t.Skip("there is no npm")
	}
	s := open(t, nil)
	folder := t.TempDir()
	if err := os.CopyFS(folder, os.DirFS(filepath.Join("testdata", "typescript"))); err != nil {
		t.Fatal(err)
	}
	run := func(program string, arguments ...string) []byte {
		t.Helper()
		command := exec.CommandContext(t.Context(), program, arguments...)
		command.Dir, command.Stderr = folder, os.Stderr
		out, err := command.Output()
		if err != nil {
			t.Fatalf("%s %v: %v\n%s", program, arguments, err, out)
		}
		return out
	}
	run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
	run("node_modules/.bin/openapi-typescript", s.url+"/openapi.json", "--output", "api.d.ts")
	run("node_modules/.bin/tsc")
	type outcome struct {
		Models  []string
		Seed    string
		Samples [][]float32
		Steps   int
		Density []float64
		Refused int
		Fields  []string
	}
	var got outcome
	if err := json.Unmarshal(run("node", "client.js", s.url), &got); err != nil {
		t.Fatal(err)
	}
	_, text := s.post(t, "/v1/models/gauss:sample", `{"n": 4, "seed": "18446744073709551615",
		"langevin": {"steps": 20, "sigma": 1, "denoise": true}}`)
	samples := decode[struct{ Samples [][]float32 }](t, text).Samples
	_, text = s.post(t, "/v1/models/gauss:likelihood", `{"x": [[0, 0]], "exact": true}`)
	density := decode[struct {
		LogLikelihood []float64 `json:"log_likelihood"`
	}](t, text).LogLikelihood
	_, text = s.get(t, "/v1/models")
	var names []string
	for _, m := range decode[struct{ Models []struct{ Name string } }](t, text).Models {
		names = append(names, m.Name)
	}
	want := outcome{Models: names, Seed: "18446744073709551615", Samples: samples, Steps: 20, Density: density,
		Refused: 400, Fields: []string{"sigma[0]"}}
	if diff := cmp.Diff(want, got); diff != "" || len(samples) != 4 {
		t.Errorf("(-plain request +TypeScript):\n%s", diff)
	}
}
