package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/doctor"
	"github.com/langevin-ml/langevin/models/modelstest"
	"github.com/langevin-ml/langevin/ort"
	"github.com/langevin-ml/langevin/server"
)

// TestDoctor: a sound machine, one with a torn model, one without the device asked for and one without the library.
func TestDoctor(t *testing.T) {
	sound, torn := modelFolder(t), modelFolder(t)
	for _, v := range server.Variables() {
		if v.Setting == "" && v.Name != server.EnvConfig { // those of commands, which stop nothing
			t.Setenv(v.Name, "x")
		}
	}
	t.Setenv(ort.EnvLibrary, "") // the flag gives the path; make test sets the variable too
	if err := os.Truncate(filepath.Join(torn, "wide/1/model.onnx"), 30); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		args []string
		code int
		want []string
	}{
		{"sound", inside(t, sound)[:4], cli.ExitOK, []string{"library", "tested with " + ort.Version,
			"CPUExecutionProvider", "gauss@1", "256 chains"}},
		{"variables", inside(t, sound)[:4], cli.ExitOK,
			[]string{"settings: environment LANGEVIN_MODELS_BUILTIN, environment LANGEVIN_MODELS_DEFAULT, " +
				"flag --models-dir, flag --onnxruntime-library"}},
		{"auto", append(inside(t, sound)[:4], "--device", "auto"), cli.ExitOK, []string{"device"}},
		{"torn model", inside(t, torn)[:4], cli.ExitFailed, []string{"FAIL  model wide/1/model.onnx", "self-test"}},
		{"no library", []string{"--onnxruntime-library", "/nowhere/libonnxruntime.so"}, cli.ExitFailed,
			[]string{"FAIL  library", "langevin onnxruntime install"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv(envBuiltIn, "true")
			got := runAlone(t, append([]string{"doctor"}, tt.args...)...)
			for _, part := range tt.want {
				if !strings.Contains(got.stdout, part) {
					t.Errorf("no %q in %s", part, got.stdout)
				}
			}
			if got.code != tt.code {
				t.Errorf("code %d, want %d: %s", got.code, tt.code, got.stderr)
			}
		})
	}
	got := runAlone(t, append([]string{"doctor", "--json", "--device", "cuda:9"}, inside(t, sound)[:4]...)...)
	var report doctor.Report
	if err := json.Unmarshal([]byte(got.stdout), &report); err != nil || report.OK != (got.code == cli.ExitOK) ||
		report.OK {
		t.Errorf("%v: %+v", err, got)
	}
	last := report.Checks[len(report.Checks)-1]
	for _, c := range report.Checks {
		if !c.OK {
			last = c
		}
	}
	if last.OK || last.Fix == "" {
		t.Errorf("a device that is not there: %+v", report.Checks)
	}
}

// TestModelsAdmin changes the models of a running server.
func TestModelsAdmin(t *testing.T) {
	folder := modelFolder(t)
	address := serving(t, append(inside(t, folder), "--models-aliases", "best=gauss@1"))
	models := func(args ...string) outcome {
		return runAlone(t, append(append([]string{"models"}, args...), "--server", address)...)
	}
	addModel(t, folder, "late", modelstest.GaussianFile(t, "late", 3))
	if got := models("load", "late"); got.code != cli.ExitOK || !strings.Contains(got.stdout, "late@1 ready") {
		t.Errorf("load: %+v", got)
	}
	if got := models("unload", "late"); got.code != cli.ExitOK {
		t.Errorf("unload: %+v", got)
	}
	if got := models("show", "late"); got.code != cli.ExitFailed {
		t.Errorf("unloaded and there: %+v", got)
	}
	addModel(t, folder, "torn", []byte("GIF89a"))
	if got := models("reload"); got.code != cli.ExitFailed || !strings.Contains(got.stderr, "langevin: torn: ") ||
		!strings.Contains(got.stdout, "gauss@1 ready") {
		t.Errorf("reload: %+v", got)
	}
	if got := models("show", "best"); got.code != cli.ExitOK || !strings.Contains(got.stdout, "gauss") ||
		!strings.Contains(got.stdout, "best") {
		t.Errorf("show an alias: %+v", got)
	}
	if got := models("load", "nobody"); got.code != cli.ExitFailed || !oneLineWith(got.stderr, `"nobody"`) {
		t.Errorf("load of nothing: %+v", got)
	}
	if got := runAlone(t, "models", "reload", "--local"); got.code != cli.ExitUsage {
		t.Errorf("reload --local: %+v", got)
	}
}
