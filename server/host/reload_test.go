package host

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/langevin-ml/langevin/models"
)

func TestReloadReplaces(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "ring", 1, 2)
	l := &loader{}
	h := newHost(t, l, zoo(t, "2gauss"), dir, "")
	old := acquire(t, h, "ring", 0)

	if err := h.Reload(t.Context(), "ring"); err != nil || l.calls != 1 {
		t.Errorf("an unchanged file: %d loads, %v", l.calls, err)
	}
	put(t, dir, "ring", 1, 3)
	put(t, dir, "ring", 2, 4)
	if err := h.Reload(t.Context(), "ring"); err != nil {
		t.Fatal(err)
	}
	for version, dim := range map[int]int{0: 4, 1: 3, 2: 4} {
		loaded := acquire(t, h, "ring", version)
		if got := loaded.Entry.Manifest.Dim(); got != dim {
			t.Errorf("version %d has rows of %d: want %d", version, got, dim)
		}
		loaded.Release()
	}
	if old.Value.closed.Load() != 0 || old.Entry.Manifest.Dim() != 2 {
		t.Error("a user lost the replaced model")
	}
	old.Release()
	for old.Value.closed.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	if want := []string{"2gauss/1 idle", "ring/1 ready", "ring/2 ready"}; !slices.Equal(states(h), want) {
		t.Errorf("%v: want %v", states(h), want)
	}
}

func TestReloadKeepsWhatWorks(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "ring", 1, 2)
	l := &loader{}
	h := newHost(t, l, zoo(t), dir, "")
	old := acquire(t, h, "ring", 0)
	old.Release()

	put(t, dir, "ring", 1, 3)
	put(t, dir, "ring", 2, 3)
	l.setFail("ring/1", errDevice)
	if err := h.Reload(t.Context(), "ring"); !errors.Is(err, ErrFailed) || !errors.Is(err, errDevice) {
		t.Errorf("a file that does not load: %v", err)
	}
	if kept := acquire(t, h, "ring", 1); kept.Value != old.Value || old.Value.closed.Load() != 0 {
		t.Error("a failed reload dropped the old version")
	} else {
		kept.Release()
	}

	if err := os.Truncate(filepath.Join(dir, "ring/1/model.onnx"), 10); err != nil {
		t.Fatal(err)
	}
	if err := h.Reload(t.Context(), "ring"); !errors.Is(err, models.ErrInvalid) ||
		!strings.Contains(err.Error(), "ring/1/model.onnx") {
		t.Errorf("a broken file: %v", err)
	}
	if want := []string{"ring/1 ready", "ring/2 ready"}; !slices.Equal(states(h), want) || len(h.Problems()) != 1 {
		t.Errorf("%v with problems %v: want %v with one", states(h), h.Problems(), want)
	}

	l.setFail("ring/3", errDevice)
	put(t, dir, "ring", 3, 2)
	put(t, dir, "ring", 1, 2)
	if err := h.Reload(t.Context(), "ring"); !errors.Is(err, errDevice) {
		t.Errorf("a new version that does not load: %v", err)
	}
	l.setFail("", nil)
	if err := os.RemoveAll(filepath.Join(dir, "ring/2")); err != nil {
		t.Fatal(err)
	}
	if want := []string{"ring/1 ready", "ring/2 ready", "ring/3 failed"}; !slices.Equal(states(h), want) ||
		len(h.Problems()) != 0 {
		t.Errorf("%v with problems %v: want %v with none", states(h), h.Problems(), want)
	}
	if err := h.Reload(t.Context(), "ring"); err != nil {
		t.Error(err)
	}
	if want := []string{"ring/1 ready", "ring/3 ready"}; !slices.Equal(states(h), want) {
		t.Errorf("%v: want %v", states(h), want)
	}
}

func TestReloadOfNothing(t *testing.T) {
	h := newHost(t, &loader{}, zoo(t, "ring"), "", "")
	if err := h.Reload(t.Context(), "rnig"); !errors.Is(err, models.ErrNotFound) ||
		!strings.Contains(err.Error(), `"ring"`) {
		t.Errorf("got %v", err)
	}
}

func TestReloadCanBeStopped(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "ring", 1, 2)
	l := &loader{}
	h := newHost(t, l, zoo(t), dir, "")
	acquire(t, h, "ring", 0).Release()
	put(t, dir, "ring", 1, 3)
	l.gate = make(chan struct{})
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
	defer cancel()
	if err := h.Reload(ctx, "ring"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	close(l.gate) // the load succeeds too late: its value must be closed, which newHost checks
	loaded := acquire(t, h, "ring", 0)
	defer loaded.Release()
	if loaded.Entry.Manifest.Dim() != 2 {
		t.Error("a reload that was stopped replaced the model")
	}
}

// TestReloadUnderTraffic replaces a model again and again while it is used. No user may ever have a closed one.
func TestReloadUnderTraffic(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "ring", 1, 2)
	h := newHost(t, &loader{}, zoo(t), dir, "")
	ctx, stop := context.WithCancel(t.Context())
	var users sync.WaitGroup
	for range 4 {
		users.Go(func() {
			for ctx.Err() == nil {
				loaded, err := h.Acquire(t.Context(), "ring", 0)
				if err != nil {
					t.Error(err)
					return
				}
				for range 20 {
					if loaded.Value.closed.Load() != 0 {
						t.Error("a model was closed in use")
					}
				}
				loaded.Release()
			}
		})
	}
	for i := range 20 {
		put(t, dir, "ring", 1, 2+i%5)
		if err := h.Reload(t.Context(), "ring"); err != nil {
			t.Error(err)
		}
		loaded := acquire(t, h, "ring", 1)
		if dim := loaded.Entry.Manifest.Dim(); dim != 2+i%5 {
			t.Errorf("reload %d serves rows of %d: want %d", i, dim, 2+i%5)
		}
		loaded.Release()
	}
	stop()
	users.Wait()
}
