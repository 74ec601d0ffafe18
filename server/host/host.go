// Package host keeps the models of a repository loaded for those who use them: each is loaded once, however many ask for
// it at the same time, and closed when it has been replaced and its last user is done.
package host

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/langevin-ml/langevin/models"
)

var (
	// ErrFailed is wrapped by the error of [Host.Acquire] for a model whose file is sound but could not be loaded. The
	// reason is wrapped too.
	ErrFailed = errors.New("model failed to load")

	// ErrClosed is returned after [Host.Close].
	ErrClosed = errors.New("host closed")
)

// LoadFunc makes of a model file what its users share. It should give up when ctx ends.
type LoadFunc[T io.Closer] func(ctx context.Context, file models.File) (T, error)

// Host holds the models of a repository, those listed when it was made or reloaded. Safe for concurrent use.
type Host[T io.Closer] struct {
	repository   *models.Repository
	load         LoadFunc[T]
	loading      context.Context // of all loads; ends at Close, not with the call that happened to be first
	stopLoading  context.CancelFunc
	defaultModel string // empty: the first of the list
	aliases      []Alias

	reload  sync.Mutex // held by Reload, one at a time; taken before mu
	drained chan struct{}

	mu        sync.Mutex
	slots     []*slot[T] // by name and version, as the repository lists
	problems  []models.Problem
	withheld  map[version]bool // unloaded, to be left out of reloads
	live      int              // slots being loaded or with an open value, listed or retired
	closed    bool
	closeErrs []error
}

// New lists the repository. Nothing is loaded yet. defaultModel is what requests without a name get, the first of the list
// if empty; it is an error if the repository has no model of that name. One whose file is broken is no error here, but for
// the requests that need it. Aliases are held to the same, and must not be names of models.
func New[T io.Closer](repository *models.Repository, load LoadFunc[T], defaultModel string, aliases ...Alias) (*Host[T], error) {
	entries, problems := repository.List()
	if err := checkAliases(aliases, entries, problems); err != nil {
		return nil, err
	}
	if defaultModel != "" {
		name, version := resolve(aliases, defaultModel, 0)
		if _, err := models.Find(entries, problems, name, version); errors.Is(err, models.ErrNotFound) {
			return nil, fmt.Errorf("default model: %w", err)
		}
	}
	h := &Host[T]{
		repository:   repository,
		load:         load,
		defaultModel: defaultModel,
		aliases:      aliases,
		withheld:     map[version]bool{},
		problems:     problems,
		drained:      make(chan struct{}),
	}
	h.loading, h.stopLoading = context.WithCancel(context.Background())
	for _, entry := range entries {
		h.slots = append(h.slots, newSlot[T](entry))
	}
	return h, nil
}

// DefaultModel is the name, no alias, that an empty name stands for; empty if there are no models.
func (h *Host[T]) DefaultModel() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	name, _ := h.Resolve(h.defaultName(), 0)
	return name
}

// defaultName is DefaultModel for a caller that holds mu.
func (h *Host[T]) defaultName() string {
	if h.defaultModel == "" && len(h.slots) > 0 {
		return h.slots[0].entry.Name
	}
	return h.defaultModel
}

// Acquire returns a model, loading it if no one has before. The caller must call [Loaded.Release]. An empty name is the
// default model. Version 0 is the newest that has not failed to load: [Host.List] tells of those that have. Errors wrap
// [models.ErrNotFound], [models.ErrInvalid], [ErrFailed] or [ErrClosed], or are that of ctx; a load goes on when ctx ends.
func (h *Host[T]) Acquire(ctx context.Context, name string, version int) (*Loaded[T], error) {
	for {
		s, err := h.join(name, version)
		if err != nil {
			return nil, err
		}
		h.start(s)
		err = s.wait(ctx)
		if err == nil && s.err == nil {
			return &Loaded[T]{Entry: s.entry, Value: s.value, host: h, slot: s}, nil
		}
		h.leave(s)
		if err != nil {
			return nil, fmt.Errorf("wait for model %s version %d: %w", s.entry.Name, s.entry.Version, err)
		}
		// It has failed, which join takes into account.
	}
}

// join makes the caller a user of the slot that a name and version mean.
func (h *Host[T]) join(name string, version int) (*slot[T], error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, ErrClosed
	}
	name, version = h.Resolve(cmp.Or(name, h.defaultName()), version)
	var failed *slot[T]
	for _, s := range slices.Backward(h.slots) {
		if s.entry.Name != name || version != 0 && s.entry.Version != version {
			continue
		}
		if !s.failed() {
			s.users++
			return s, nil
		}
		failed = cmp.Or(failed, s)
	}
	if failed != nil {
		return nil, failed.failure()
	}
	_, err := models.Find(h.entries(), h.problems, name, version)
	return nil, err
}

func (h *Host[T]) leave(s *slot[T]) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s.users--
	h.settle(s)
}

func (h *Host[T]) isClosed() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.closed
}

// entries are those of all slots. The caller holds mu.
func (h *Host[T]) entries() []models.Entry {
	entries := make([]models.Entry, len(h.slots))
	for i, s := range h.slots {
		entries[i] = s.entry
	}
	return entries
}

// Loaded is a model in use.
type Loaded[T io.Closer] struct {
	Entry models.Entry
	Value T // what the [LoadFunc] made; the host closes it

	host *Host[T]
	slot *slot[T]
	once sync.Once
}

// Release ends the use. Further calls do nothing.
func (l *Loaded[T]) Release() { l.once.Do(func() { l.host.leave(l.slot) }) }

// Preload loads every model, one after the other. A failure is kept with the model, see [Host.List], and does not stop the
// others. The error is that of ctx, or [ErrClosed].
func (h *Host[T]) Preload(ctx context.Context) error {
	for _, status := range h.List() {
		loaded, err := h.Acquire(ctx, status.Entry.Name, status.Entry.Version)
		switch {
		case err == nil:
			loaded.Release()
		case ctx.Err() != nil, errors.Is(err, ErrClosed):
			return err
		}
	}
	return nil
}

// Ready returns the models that are loaded now. The caller must release each.
func (h *Host[T]) Ready() []*Loaded[T] {
	h.mu.Lock()
	defer h.mu.Unlock()
	var ready []*Loaded[T]
	for _, s := range h.slots {
		if s.started && s.ended() && s.err == nil {
			s.users++
			ready = append(ready, &Loaded[T]{Entry: s.entry, Value: s.value, host: h, slot: s})
		}
	}
	return ready
}

// State is how far a model has come.
type State string

const (
	StateIdle    State = "idle" // never asked for
	StateLoading State = "loading"
	StateReady   State = "ready"
	StateFailed  State = "failed"
)

// Status describes a model of the host.
type Status struct {
	Entry models.Entry
	State State
	Err   error // why it failed
}

// List describes all models, by name and then from the oldest version to the newest.
func (h *Host[T]) List() []Status {
	h.mu.Lock()
	defer h.mu.Unlock()
	list := make([]Status, len(h.slots))
	for i, s := range h.slots {
		list[i] = Status{Entry: s.entry, State: s.state(), Err: s.err}
	}
	return list
}

// Problems tells what in the repository is no sound model.
func (h *Host[T]) Problems() []models.Problem {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.problems)
}

// Close refuses further calls, stops loads, waits until every model has been released and closes them. If ctx ends before,
// the error is that of ctx, and models still in use are closed when they are released. Otherwise it tells of models that
// could not be closed. Close may be called again to go on waiting.
func (h *Host[T]) Close(ctx context.Context) error {
	h.mu.Lock()
	h.closed = true
	h.retire(h.slots...)
	h.slots = nil
	h.drain()
	h.mu.Unlock()
	h.stopLoading()
	select {
	case <-h.drained:
	case <-ctx.Done():
		return fmt.Errorf("close models in use: %w", ctx.Err())
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return errors.Join(h.closeErrs...)
}
