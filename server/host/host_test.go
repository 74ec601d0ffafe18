package host

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"go.uber.org/goleak"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/models/modelstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// engine is what the tests load.
type engine struct {
	entry  models.Entry
	closed atomic.Int32
}

func (e *engine) Close() error {
	e.closed.Add(1)
	return nil
}

// loader makes engines. It fails or waits as the test configures it.
type loader struct {
	mu      sync.Mutex
	engines []*engine
	calls   int
	fail    map[string]error // by name/version
	gate    chan struct{}    // if set, a load waits until it is closed
}

func (l *loader) load(ctx context.Context, file models.File) (*engine, error) {
	l.mu.Lock()
	l.calls++
	err := l.fail[key(file.Entry)]
	l.mu.Unlock()
	if l.gate != nil {
		select {
		case <-l.gate:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if err != nil {
		return nil, err
	}
	e := &engine{entry: file.Entry}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.engines = append(l.engines, e)
	return e, nil
}

func (l *loader) setFail(key string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fail = map[string]error{key: err}
}

func key(e models.Entry) string { return e.Name + "/" + strconv.Itoa(e.Version) }

var errDevice = errors.New("no such device")

func zoo(t *testing.T, names ...string) fstest.MapFS {
	files := fstest.MapFS{}
	for _, name := range names {
		files[name+"/1/model.onnx"] = &fstest.MapFile{Data: modelstest.GaussianFile(t, name, 2)}
	}
	return files
}

// put writes a Gaussian of dim elements a row as name/version, in one step, as an operator should.
func put(t *testing.T, dir, name string, version, dim int) {
	t.Helper()
	folder := filepath.Join(dir, name, strconv.Itoa(version))
	incoming := filepath.Join(dir, ".incoming")
	if err := errors.Join(
		os.MkdirAll(folder, 0o755),
		os.WriteFile(incoming, modelstest.GaussianFile(t, name, dim), 0o644),
		os.Rename(incoming, filepath.Join(folder, models.FileName)),
	); err != nil {
		t.Fatal(err)
	}
}

func newHost(t *testing.T, l *loader, files fstest.MapFS, dir, defaultModel string) *Host[*engine] {
	t.Helper()
	repository, err := models.NewRepository(files, dir, models.Rules{})
	if err != nil {
		t.Fatal(err)
	}
	h, err := New(repository, l.load, Options{Default: defaultModel, Parallel: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(h.Close(context.Background()), repository.Close()); err != nil {
			t.Error(err)
		}
		for _, e := range l.engines {
			if n := e.closed.Load(); n != 1 {
				t.Errorf("engine of %s was closed %d times", key(e.entry), n)
			}
		}
	})
	return h
}

func acquire(t *testing.T, h *Host[*engine], name string, version int) *Loaded[*engine] {
	t.Helper()
	loaded, err := h.Acquire(t.Context(), name, version)
	if err != nil {
		t.Fatal(err)
	}
	return loaded
}

// settle loads all models.
func settle(t *testing.T, h *Host[*engine]) {
	t.Helper()
	h.Start()
	if err := h.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func states(h *Host[*engine]) (states []string) {
	for _, s := range h.List() {
		states = append(states, key(s.Entry)+" "+string(s.State))
	}
	return states
}

func TestAcquireLoadsOnce(t *testing.T) {
	l := &loader{gate: make(chan struct{})}
	h := newHost(t, l, zoo(t, "2gauss", "ring"), "", "")
	var users sync.WaitGroup
	first := make([]*Loaded[*engine], 16)
	for i := range first {
		users.Go(func() { first[i] = acquire(t, h, "ring", i%2) })
	}
	for !slices.Contains(states(h), "ring/1 loading") {
		time.Sleep(time.Millisecond)
	}
	close(l.gate)
	users.Wait()
	for _, loaded := range first {
		if loaded.Value != first[0].Value || loaded.Entry.Digest != loaded.Value.entry.Digest {
			t.Error("users at the same time got different models")
		}
		loaded.Release()
		loaded.Release()
	}
	if again := acquire(t, h, "ring", 1); again.Value != first[0].Value || again.Value.closed.Load() != 0 {
		t.Error("an unused model was not kept")
	} else {
		again.Release()
	}
	if want := []string{"2gauss/1 idle", "ring/1 ready"}; !slices.Equal(states(h), want) || l.calls != 1 {
		t.Errorf("%v after %d loads: want %v after one", states(h), l.calls, want)
	}
}

func TestImpatientUserDoesNotEndTheLoad(t *testing.T) {
	l := &loader{gate: make(chan struct{})}
	h := newHost(t, l, zoo(t, "ring"), "", "")
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
	defer cancel()
	if _, err := h.Acquire(ctx, "ring", 0); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a cancelled wait: %v", err)
	}
	close(l.gate)
	acquire(t, h, "ring", 0).Release()
	if l.calls != 1 {
		t.Errorf("%d loads", l.calls)
	}
}

func TestFailureStaysWithItsModel(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "ring", 2, 2)
	put(t, dir, "bad", 1, 2)
	put(t, dir, "broken", 1, 2)
	if err := os.Truncate(filepath.Join(dir, "broken/1/model.onnx"), 20); err != nil {
		t.Fatal(err)
	}
	l := &loader{fail: map[string]error{"bad/1": errDevice, "ring/2": errDevice}}
	h := newHost(t, l, zoo(t, "ring"), dir, "ring")
	settle(t, h)
	if want := []string{"bad/1 failed", "ring/1 ready", "ring/2 failed"}; !slices.Equal(states(h), want) {
		t.Errorf("%v: want %v", states(h), want)
	}
	if s := h.List()[0]; !errors.Is(s.Err, errDevice) {
		t.Errorf("reason is %v", s.Err)
	}
	for _, tt := range []struct {
		name    string
		version int
		is      error
	}{
		{"bad", 0, ErrFailed}, {"bad", 1, errDevice}, {"ring", 2, ErrFailed}, {"broken", 0, models.ErrInvalid},
		{"broken", 1, models.ErrInvalid}, {"ring", 3, models.ErrNotFound}, {"rink", 0, models.ErrNotFound},
	} {
		if _, err := h.Acquire(t.Context(), tt.name, tt.version); !errors.Is(err, tt.is) {
			t.Errorf("%s version %d: %v: want %v", tt.name, tt.version, err, tt.is)
		}
	}
	newest := acquire(t, h, "", 0)
	if newest.Entry.Version != 1 {
		t.Errorf("the newest that loads is version %d: want 1", newest.Entry.Version)
	}
	newest.Release()
	if l.calls != 3 {
		t.Errorf("%d loads of 3 valid files", l.calls)
	}
	if problems := h.Problems(); len(problems) != 1 || problems[0].Name != "broken" {
		t.Errorf("problems are %v", problems)
	}
}

// TestNewestThatFailsLate asks for version 0 without a preload, so the newest version fails only then.
func TestNewestThatFailsLate(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "ring", 2, 2)
	put(t, dir, "ring", 10, 2)
	l := &loader{fail: map[string]error{"ring/10": errDevice}}
	h := newHost(t, l, zoo(t, "ring"), dir, "")
	loaded := acquire(t, h, "ring", 0)
	defer loaded.Release()
	if loaded.Entry.Version != 2 {
		t.Errorf("version %d: want 2", loaded.Entry.Version)
	}
}

func TestDefaultModel(t *testing.T) {
	for configured, want := range map[string]string{"": "2gauss", "ring": "ring"} {
		h := newHost(t, &loader{}, zoo(t, "ring", "2gauss"), "", configured)
		loaded := acquire(t, h, "", 0)
		loaded.Release()
		if loaded.Entry.Name != want || h.DefaultModel() != want {
			t.Errorf("default %q: got %s, DefaultModel says %s", configured, loaded.Entry.Name, h.DefaultModel())
		}
	}
	repository, err := models.NewRepository(zoo(t, "ring"), "", models.Rules{})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"rings": `did you mean "ring"?`, "nobody": "there are ring"} {
		_, err = New(repository, (&loader{}).load, Options{Default: name})
		if !errors.Is(err, models.ErrNotFound) || !strings.HasPrefix(err.Error(), "models.default: ") ||
			!strings.HasSuffix(err.Error(), want) {
			t.Errorf("unknown default: %v", err)
		}
	}
	broken := newHost(t, &loader{}, fstest.MapFS{"ring/1/model.onnx": {Data: []byte("broken")}}, "", "ring")
	if _, err := broken.Acquire(t.Context(), "", 0); !errors.Is(err, models.ErrInvalid) {
		t.Errorf("broken default: %v", err)
	}
	none := newHost(t, &loader{}, zoo(t), "", "")
	if _, err := none.Acquire(t.Context(), "", 0); !errors.Is(err, models.ErrNotFound) || none.DefaultModel() != "" {
		t.Errorf("without models: %v", err)
	}
}

func TestSettleStops(t *testing.T) {
	h := newHost(t, &loader{gate: make(chan struct{})}, zoo(t, "ring"), "", "")
	h.Start()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
	defer cancel()
	if err := h.Settle(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestCloseWaitsForUsers(t *testing.T) {
	l := &loader{}
	h := newHost(t, l, zoo(t, "2gauss", "ring"), "", "")
	used := acquire(t, h, "ring", 0)
	acquire(t, h, "2gauss", 0).Release()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
	defer cancel()
	if err := h.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("with a model in use: %v", err)
	}
	if used.Value.closed.Load() != 0 {
		t.Error("closed a model in use")
	}
	if _, err := h.Acquire(t.Context(), "2gauss", 0); !errors.Is(err, ErrClosed) {
		t.Errorf("Acquire after Close: %v", err)
	}
	if err := h.Reload(t.Context(), "2gauss"); !errors.Is(err, ErrClosed) {
		t.Errorf("Reload after Close: %v", err)
	}
	closing := make(chan error)
	go func() { closing <- h.Close(context.Background()) }()
	used.Release()
	if err := <-closing; err != nil || used.Value.closed.Load() != 1 {
		t.Errorf("after the release: closed %d times, %v", used.Value.closed.Load(), err)
	}
}

func TestCloseStopsLoads(t *testing.T) {
	h := newHost(t, &loader{gate: make(chan struct{})}, zoo(t, "ring"), "", "")
	waiting := make(chan error)
	go func() {
		_, err := h.Acquire(context.Background(), "ring", 0)
		waiting <- err
	}()
	for !slices.Contains(states(h), "ring/1 loading") {
		time.Sleep(time.Millisecond)
	}
	if err := h.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-waiting; !errors.Is(err, ErrClosed) {
		t.Errorf("the user that waited for the load got %v", err)
	}
}
