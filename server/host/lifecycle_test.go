package host

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/langevin-ml/langevin/models"
)

func TestUnloadAndLoad(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "ring", 1, 2)
	put(t, dir, "ring", 2, 2)
	h := newHost(t, &loader{}, zoo(t, "2gauss"), dir, "")
	settle(t, h)
	used := acquire(t, h, "ring", 2)
	if err := h.Unload("ring", 2); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Acquire(t.Context(), "ring", 2); !errors.Is(err, models.ErrNotFound) {
		t.Errorf("an unloaded version: %v", err)
	}
	if used.Value.closed.Load() != 0 {
		t.Error("a user lost the unloaded model")
	}
	used.Release()
	if failures := h.ReloadAll(t.Context()); len(failures) > 0 {
		t.Errorf("reload: %v", failures)
	}
	if want := []string{"2gauss/1 ready", "ring/1 ready"}; !slices.Equal(states(h), want) {
		t.Errorf("after a reload %v: want %v", states(h), want)
	}
	for _, tt := range []struct {
		name    string
		version int
	}{{"ring", 2}, {"ring", 3}, {"nobody", 0}} {
		if err := h.Unload(tt.name, tt.version); !errors.Is(err, models.ErrNotFound) {
			t.Errorf("unload %s %d: %v", tt.name, tt.version, err)
		}
	}
	if err := h.Load(t.Context(), "ring", 2); err != nil {
		t.Fatal(err)
	}
	if err := h.Load(t.Context(), "ring", 3); !errors.Is(err, models.ErrNotFound) {
		t.Errorf("load of a version that does not exist: %v", err)
	}
	if want := []string{"2gauss/1 ready", "ring/1 ready", "ring/2 ready"}; !slices.Equal(states(h), want) {
		t.Errorf("after the load %v: want %v", states(h), want)
	}
}

func TestReloadAll(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "ring", 1, 2)
	put(t, dir, "gone", 1, 2)
	h := newHost(t, &loader{}, zoo(t, "2gauss"), dir, "")
	settle(t, h)
	put(t, dir, "new", 1, 2)
	if err := errors.Join(os.RemoveAll(filepath.Join(dir, "gone")),
		os.Truncate(filepath.Join(dir, "ring/1/model.onnx"), 20)); err != nil {
		t.Fatal(err)
	}
	failures := h.ReloadAll(t.Context())
	if len(failures) != 1 || failures[0].Name != "ring" || !errors.Is(failures[0].Err, models.ErrInvalid) {
		t.Errorf("failures are %v: want the torn file", failures)
	}
	if want := []string{"2gauss/1 ready", "new/1 ready", "ring/1 ready"}; !slices.Equal(states(h), want) {
		t.Errorf("%v: want %v", states(h), want)
	}
}

func TestAliases(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "ring", 1, 2)
	put(t, dir, "ring", 2, 3)
	repository, err := models.NewRepository(zoo(t), dir, models.Rules{})
	if err != nil {
		t.Fatal(err)
	}
	defer repository.Close()
	aliases := []Alias{{Name: "stable", Model: "ring", Version: 1}, {Name: "latest", Model: "ring"}}
	h, err := New(repository, (&loader{}).load, Options{Default: "stable", Aliases: aliases})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close(t.Context())
	for _, tt := range []struct {
		name          string
		version, want int
	}{{"stable", 0, 1}, {"stable", 1, 1}, {"latest", 0, 2}, {"latest", 1, 1}, {"", 0, 1}, {"ring", 0, 2}} {
		loaded := acquire(t, h, tt.name, tt.version)
		if loaded.Entry.Version != tt.want {
			t.Errorf("%q version %d is version %d: want %d", tt.name, tt.version, loaded.Entry.Version, tt.want)
		}
		loaded.Release()
	}
	const want = `model "stable" has no version 2: want one of [1]`
	if _, err := h.Acquire(t.Context(), "stable", 2); !errors.Is(err, models.ErrNotFound) || err.Error() != want {
		t.Errorf("a version that the alias does not mean: %v, want %s", err, want)
	}
	if h.DefaultModel() != "ring" {
		t.Errorf("the default model is %q", h.DefaultModel())
	}
	for _, bad := range []Alias{{Name: "stable", Model: "rings"}, {Name: "stable", Model: "ring", Version: 9},
		{Name: "ring", Model: "ring"}} {
		if _, err := New(repository, (&loader{}).load, Options{Aliases: []Alias{bad}}); err == nil {
			t.Errorf("%+v was accepted", bad)
		}
	}
}
