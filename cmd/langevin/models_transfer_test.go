package main

import (
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"

	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/models/modelstest"
)

// TestModelsTravel: what is pushed to a registry comes back with the same bytes, by its tag and by its digest. A file
// that a server would refuse neither goes nor comes, and a refused pull leaves nothing.
func TestModelsTravel(t *testing.T) {
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	host := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(host.Close)
	zoo := "oci://" + strings.TrimPrefix(host.URL, "http://") + "/zoo"
	from, out := modelFolder(t), filepath.Join(t.TempDir(), "models")
	pushed := runAlone(t, "models", "push", from, zoo+":v1")
	pinned := strings.TrimSpace(pushed.stdout)
	if pushed.code != cli.ExitOK || !strings.HasPrefix(pinned, zoo+":v1@sha256:") {
		t.Fatalf("%+v", pushed)
	}
	for _, reference := range []string{zoo + ":v1", pinned} {
		if got := runAlone(t, "models", "pull", reference, "--out", out); got.code != cli.ExitOK ||
			!strings.Contains(got.stdout, filepath.Join(out, "gauss", "1", "model.onnx")+"  sha256:") {
			t.Fatalf("%+v", got)
		}
	}
	for _, file := range []string{"gauss/1/model.onnx", "wide/1/model.onnx"} {
		a, _ := os.ReadFile(filepath.Join(from, file))
		if b, err := os.ReadFile(filepath.Join(out, file)); err != nil || string(a) != string(b) {
			t.Errorf("%s came with other bytes, %v", file, err)
		}
	}
	checkFiles(t, out, "gauss", "wide")

	addModel(t, from, "gauss", modelstest.GaussianFile(t, "gauss", 3))
	if got := runAlone(t, "models", "push", from, zoo+":v2"); got.code != cli.ExitOK {
		t.Fatalf("%+v", got)
	}
	if got := runAlone(t, "models", "pull", zoo+":v2", "--out", out); got.code != cli.ExitFailed ||
		!oneLineWith(got.stderr, "gauss/1/model.onnx exists: --overwrite replaces it") {
		t.Errorf("another file of the same version: %+v", got)
	}
	addModel(t, from, "gauss", []byte("no model"))
	bad := filepath.Join(from, "gauss", "1", "model.onnx")
	if got := runAlone(t, "models", "push", bad, zoo+":v3"); got.code != cli.ExitFailed ||
		!oneLineWith(got.stderr, bad+" cannot be served: ") {
		t.Errorf("a broken file: %+v", got)
	}
	empty := filepath.Join(t.TempDir(), "new")
	if got := runAlone(t, "models", "pull", "file://"+from, "--out", empty); got.code != cli.ExitFailed ||
		!oneLineWith(got.stderr, "gauss/1/model.onnx cannot be served: ") {
		t.Errorf("a broken file in a folder: %+v", got)
	}
	for want, args := range map[string][]string{
		"zoo has no v9":                       {"models", "pull", zoo + ":v9", "--out", empty},
		`"ring" names no models: want oci://`: {"models", "pull", "ring"},
		"--version is 0: want 1 or more":      {"models", "push", bad, zoo + ":v3", "--version", "0"},
		"want a place without a digest":       {"models", "push", filepath.Join(from, "wide"), pinned},
	} {
		if got := runAlone(t, args...); got.code == cli.ExitOK || !oneLineWith(got.stderr, want) {
			t.Errorf("%v: %+v, want %q", args, got, want)
		}
	}
	checkFiles(t, filepath.Dir(empty))
}
