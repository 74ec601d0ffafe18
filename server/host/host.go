// Package host keeps the models of a repository loaded for its users. It loads each model once, whatever the number of
// users that ask for it at the same time, and several models side by side. It closes a model when it has been replaced
// and its last user has released it.
package host

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/langevin-ml/langevin/models"
)

var (
	// ErrFailed is wrapped by the error of [Host.Acquire] for a model whose file is valid but which could not be
	// loaded. The error also wraps the reason.
	ErrFailed = errors.New("model failed to load")

	// ErrLoading is wrapped by the error of [Host.Acquire] for a model whose load takes longer than callers wait.
	ErrLoading = errors.New("model is still loading: try again soon")

	// ErrClosed is returned after [Host.Close].
	ErrClosed = errors.New("the server is stopping")
)

// LoadFunc makes from a model file the value that its users share. It should stop when ctx ends.
type LoadFunc[T io.Closer] func(ctx context.Context, file models.File) (T, error)

// Options configures a [Host].
type Options struct {
	Default  string        // the model for requests without a name; empty for the first of the list
	Aliases  []Alias       // other names of models
	Parallel int           // the most loads at once; 1 if zero
	Limit    time.Duration // how long one load may take, after it has begun; no limit if zero
	Patience time.Duration // how long [Host.Acquire] waits for a load; no limit if zero
	Ended    func(Status)  // called after each load of a listed version, by any goroutine; may be nil
}

// Host holds the models that the repository had when the Host was made or last reloaded. It is safe for concurrent use.
type Host[T io.Closer] struct {
	repository  *models.Repository
	load        LoadFunc[T]
	options     Options
	loading     context.Context // for all loads; ends at Close, not with the call that started a load
	stopLoading context.CancelFunc
	drained     chan struct{}

	mu        sync.Mutex
	slots     []*slot[T] // sorted by name and version, like the repository's list
	problems  []models.Problem
	withheld  map[version]bool // unloaded versions, which reloads leave out
	changing  map[string]*turn // reloads that run, by the model's name
	queue     []*slot[T]       // loads that wait for their turn
	running   int              // number of loads that run
	ended     chan struct{}    // closed and replaced whenever a load has ended
	live      int              // number of slots that are loading or have an open value, listed or retired
	closed    bool
	closeErrs []error
}

// New lists the repository. It does not load anything yet. It returns an error if the repository has no model with the
// name of the default. If the model's file is broken, New succeeds, and the requests that need the model fail. An alias
// must point to a model in the same way, and must not have the name of a model.
func New[T io.Closer](repository *models.Repository, load LoadFunc[T], options Options) (*Host[T], error) {
	entries, problems := repository.List()
	if err := checkAliases(options.Aliases, entries, problems); err != nil {
		return nil, err
	}
	if options.Default != "" {
		name, version := resolve(options.Aliases, options.Default, 0)
		if _, err := models.Find(entries, problems, name, version); errors.Is(err, models.ErrNotFound) {
			return nil, fmt.Errorf("models.default: %w", err)
		}
	}
	options.Parallel = cmp.Or(options.Parallel, 1)
	h := &Host[T]{
		repository: repository,
		load:       load,
		options:    options,
		withheld:   map[version]bool{},
		changing:   map[string]*turn{},
		ended:      make(chan struct{}),
		problems:   problems,
		drained:    make(chan struct{}),
	}
	h.loading, h.stopLoading = context.WithCancel(context.Background())
	for _, entry := range entries {
		h.slots = append(h.slots, newSlot[T](entry))
	}
	return h, nil
}

// DefaultModel returns the name that an empty name means. It is never an alias, and is empty if there are no models.
func (h *Host[T]) DefaultModel() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	name, _ := h.Resolve(h.defaultName(), 0)
	return name
}

// defaultName is like DefaultModel but does not resolve aliases. The caller holds mu.
func (h *Host[T]) defaultName() string {
	if h.options.Default == "" && len(h.slots) > 0 {
		return h.slots[0].entry.Name
	}
	return h.options.Default
}

// Acquire returns a model and loads it if necessary. The caller must call [Loaded.Release]. An empty name means the
// default model. Version 0 means the newest version that has not failed to load, or an older one that is ready while
// that one loads; [Host.List] reports the failed ones. Errors wrap [models.ErrNotFound], [models.ErrInvalid],
// [ErrFailed], [ErrLoading] or [ErrClosed], or wrap ctx's error. A load continues after Acquire has returned.
func (h *Host[T]) Acquire(ctx context.Context, name string, version int) (*Loaded[T], error) {
	if h.options.Patience > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, h.options.Patience, ErrLoading)
		defer cancel()
	}
	return h.await(ctx, name, version)
}

// await is Acquire for callers that wait until ctx ends.
func (h *Host[T]) await(ctx context.Context, name string, version int) (*Loaded[T], error) {
	for {
		s, ended, err := h.join(name, version)
		if err != nil {
			return nil, err
		}
		h.start(s)
		if s.ended() && s.err == nil {
			return &Loaded[T]{Entry: s.entry, Value: s.value, host: h, slot: s}, nil
		}
		select {
		case <-ended: // this load, or that of another version
		case <-ctx.Done():
			err = fmt.Errorf("wait for model %s version %d: %w", s.entry.Name, s.entry.Version, context.Cause(ctx))
		}
		h.leave(s)
		if err != nil {
			return nil, err
		}
	}
}

// join makes the caller a user of the slot for a name and version. The slot is idle, loading or ready. ended is closed
// when the next load ends, of any model.
func (h *Host[T]) join(name string, version int) (joined *slot[T], ended chan struct{}, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, nil, ErrClosed
	}
	name, version = h.Resolve(cmp.Or(name, h.defaultName()), version)
	var failed *slot[T]
	for _, s := range slices.Backward(h.slots) {
		if s.entry.Name != name || version != 0 && s.entry.Version != version {
			continue
		}
		switch state := s.state(); {
		case state == StateFailed:
			failed = cmp.Or(failed, s)
		case state == StateReady, joined == nil:
			joined = s
		}
		if joined != nil && joined.state() != StateLoading {
			break
		}
	}
	switch {
	case joined != nil:
		joined.users++
		return joined, h.ended, nil
	case h.loading.Err() != nil:
		return nil, nil, ErrClosed
	case failed != nil:
		return nil, nil, failed.failure()
	}
	return nil, nil, h.Missing(h.entries(), h.problems, name, version)
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

// entries returns the entries of all slots. The caller holds mu.
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
	Value T // made by the [LoadFunc]; the host closes it

	host *Host[T]
	slot *slot[T]
	once sync.Once
}

// Release ends the use of the model. Further calls do nothing.
func (l *Loaded[T]) Release() { l.once.Do(func() { l.host.leave(l.slot) }) }

// Start starts the loads of all models and does not wait for them. The default model's come first, and those in the
// program before those in the folder.
func (h *Host[T]) Start() {
	h.mu.Lock()
	all := slices.Clone(h.slots)
	first, _ := h.Resolve(h.defaultName(), 0)
	rank := func(s *slot[T]) int {
		switch {
		case s.entry.Name == first:
			return 0
		case s.entry.Origin == models.OriginEmbedded:
			return 1
		}
		return 2
	}
	slices.SortStableFunc(all, func(a, b *slot[T]) int { return cmp.Compare(rank(a), rank(b)) })
	h.mu.Unlock()
	for _, s := range all {
		h.start(s)
	}
}

// Await waits until a version of the default model is ready or, if all have failed, one of any other model that
// [Host.Start] started. It returns the errors of [Host.Acquire] for the default model if there is none.
func (h *Host[T]) Await(ctx context.Context) error {
	loaded, failure := h.await(ctx, "", 0)
	if failure == nil {
		loaded.Release()
		return nil
	}
	for {
		h.mu.Lock()
		ended := h.ended
		in := func(state State) bool {
			return slices.ContainsFunc(h.slots, func(s *slot[T]) bool { return s.state() == state })
		}
		ready, loading := in(StateReady), in(StateLoading)
		h.mu.Unlock()
		switch {
		case ready:
			return nil
		case !loading:
			return failure
		}
		select {
		case <-ended:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Settle waits until all loads that [Host.Start] started have ended. It returns ctx's error or [ErrClosed].
func (h *Host[T]) Settle(ctx context.Context) error {
	h.mu.Lock()
	all := slices.Clone(h.slots)
	h.mu.Unlock()
	for _, s := range all {
		if err := s.wait(ctx); err != nil {
			return err
		}
	}
	if h.isClosed() {
		return ErrClosed
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

// State is the progress of a model's load.
type State string

const (
	StateIdle    State = "idle" // not yet requested
	StateLoading State = "loading"
	StateReady   State = "ready"
	StateFailed  State = "failed"
)

// Status describes a model of the host.
type Status struct {
	Entry models.Entry
	State State
	Err   error // why the load failed
}

// List describes all models, sorted by name and then from the oldest version to the newest.
func (h *Host[T]) List() []Status {
	h.mu.Lock()
	defer h.mu.Unlock()
	list := make([]Status, len(h.slots))
	for i, s := range h.slots {
		list[i] = s.status()
	}
	return list
}

// Problems returns the files in the repository that are not valid models.
func (h *Host[T]) Problems() []models.Problem {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.problems)
}

// StopLoading ends all loads, also those that wait for their turn, and lets none begin. Models that are ready stay.
func (h *Host[T]) StopLoading() { h.stopLoading() }

// Close refuses further calls, stops loads, waits until every model has been released, and closes the models. If ctx
// ends first, Close returns its error, and the models still in use are closed when they are released. Otherwise the
// error reports models that could not be closed. Close may be called again to wait longer.
func (h *Host[T]) Close(ctx context.Context) error {
	h.mu.Lock()
	h.closed = true
	h.retire(h.slots...)
	h.slots = nil
	h.drain()
	h.mu.Unlock()
	h.StopLoading()
	select {
	case <-h.drained:
	case <-ctx.Done():
		return fmt.Errorf("close models in use: %w", ctx.Err())
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return errors.Join(h.closeErrs...)
}
