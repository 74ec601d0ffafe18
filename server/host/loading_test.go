package host

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/langevin-ml/langevin/models"
)

// hanging is a loader whose loads of some models wait until they are let go or stopped.
type hanging struct {
	loader
	stuck map[string]chan struct{} // by name/version
	order []string                 // of the loads, guarded by mu
	most  int                      // loads at once
	now   int
}

func (l *hanging) load(ctx context.Context, file models.File) (*engine, error) {
	l.mu.Lock()
	l.order = append(l.order, key(file.Entry))
	l.now++
	l.most = max(l.most, l.now)
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.now--
	}()
	if gate := l.stuck[key(file.Entry)]; gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return l.loader.load(ctx, file)
}

// atOnce returns the number of loads that run.
func (l *hanging) atOnce() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.now
}

func newHanging(t *testing.T, dir string, o Options, stuck ...string) (*Host[*engine], *hanging) {
	t.Helper()
	l := &hanging{stuck: map[string]chan struct{}{}}
	for _, key := range stuck {
		l.stuck[key] = make(chan struct{})
	}
	repository, err := models.NewRepository(zoo(t, "2gauss"), dir, models.Rules{})
	if err != nil {
		t.Fatal(err)
	}
	h, err := New(repository, l.load, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(h.Close(context.Background()), repository.Close()); err != nil {
			t.Error(err)
		}
	})
	return h, l
}

func awaitStates(t *testing.T, h *Host[*engine], want ...string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !slices.Equal(states(h), want); {
		if time.Now().After(deadline) {
			t.Fatalf("%v: want %v", states(h), want)
		}
		time.Sleep(time.Millisecond)
	}
}

// TestAdministrationGoesOn: while one model hangs in its load, other models are listed, loaded, unloaded and served.
func TestAdministrationGoesOn(t *testing.T) {
	dir := t.TempDir()
	h, _ := newHanging(t, dir, Options{Parallel: 2, Patience: time.Millisecond}, "hang/1")
	settle(t, h)
	put(t, dir, "hang", 1, 2)
	put(t, dir, "ring", 1, 2)
	loading := make(chan error)
	go func() { loading <- h.Load(context.Background(), "hang", 0) }()
	awaitStates(t, h, "2gauss/1 ready", "hang/1 loading")
	if err := h.Load(t.Context(), "ring", 0); err != nil {
		t.Error(err)
	}
	acquire(t, h, "ring", 0).Release()
	if _, err := h.Acquire(t.Context(), "hang", 0); !errors.Is(err, ErrLoading) {
		t.Errorf("a call for the model that loads: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
	defer cancel()
	if err := h.Load(ctx, "hang", 0); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("another load of the model: %v", err)
	}
	if err := h.Unload("ring", 0); err != nil {
		t.Error(err)
	}
	if err := h.Unload("hang", 0); err != nil {
		t.Error(err)
	}
	if err := <-loading; !errors.Is(err, ErrFailed) && !errors.Is(err, models.ErrNotFound) {
		t.Errorf("the load of the model that was unloaded meanwhile: %v", err)
	}
	awaitStates(t, h, "2gauss/1 ready")
}

// TestOlderVersionServes: calls for the newest version get an older one while the newest loads.
func TestOlderVersionServes(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "ring", 1, 2)
	put(t, dir, "ring", 2, 2)
	h, l := newHanging(t, dir, Options{Parallel: 2}, "ring/2")
	h.Start()
	awaitStates(t, h, "2gauss/1 ready", "ring/1 ready", "ring/2 loading")
	old := acquire(t, h, "ring", 0)
	defer old.Release()
	if old.Entry.Version != 1 {
		t.Errorf("version %d: want 1", old.Entry.Version)
	}
	close(l.stuck["ring/2"])
	awaitStates(t, h, "2gauss/1 ready", "ring/1 ready", "ring/2 ready")
	newest := acquire(t, h, "ring", 0)
	defer newest.Release()
	if newest.Entry.Version != 2 {
		t.Errorf("version %d: want 2", newest.Entry.Version)
	}
}

// TestWaitingCallsTakeWhatIsReady: a call that waits for the newest version takes an older one as soon as it is ready.
func TestWaitingCallsTakeWhatIsReady(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "ring", 1, 2)
	put(t, dir, "ring", 2, 2)
	h, l := newHanging(t, dir, Options{Parallel: 3}, "ring/1", "ring/2")
	h.Start()
	got := make(chan int)
	go func() {
		loaded, err := h.Acquire(context.Background(), "ring", 0)
		if err != nil {
			t.Error(err)
		}
		defer loaded.Release()
		got <- loaded.Entry.Version
	}()
	close(l.stuck["ring/1"])
	if version := <-got; version != 1 {
		t.Errorf("version %d: want 1", version)
	}
}

// TestLoadsSideBySide: no more loads run at once than may, the default model's is the first, and each end is reported.
func TestLoadsSideBySide(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a", "b", "c", "ring"} {
		put(t, dir, name, 1, 2)
	}
	var mu sync.Mutex
	var ended []string
	h, l := newHanging(t, dir, Options{Default: "ring", Parallel: 2, Ended: func(s Status) {
		mu.Lock()
		defer mu.Unlock()
		ended = append(ended, key(s.Entry)+" "+string(s.State))
	}}, "a/1", "b/1", "c/1")
	h.Start()
	awaitStates(t, h, "2gauss/1 ready", "a/1 loading", "b/1 loading", "c/1 loading", "ring/1 ready")
	for l.atOnce() < 2 {
		time.Sleep(time.Millisecond)
	}
	for _, gate := range l.stuck {
		close(gate)
	}
	if err := h.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.most != 2 || !slices.Contains(l.order[:3], "ring/1") {
		t.Errorf("%d loads at once, in the order %v: want 2, ring among the first", l.most, l.order)
	}
	reported := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(ended)
	}
	for reported() < 5 {
		time.Sleep(time.Millisecond)
	}
}

func TestLoadsEnd(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "ring", 1, 2)
	h, _ := newHanging(t, dir, Options{Parallel: 2, Limit: 20 * time.Millisecond}, "ring/1")
	settle(t, h)
	err := h.List()[1].Err
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "it did not load within 20ms") {
		t.Errorf("got %v", err)
	}
}
