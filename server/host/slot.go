package host

import (
	"context"
	"fmt"
	"io"

	"github.com/langevin-ml/langevin/models"
)

// slot is one version of a model. It is idle, then loading, then ready or failed for good. A retired slot is no longer
// listed, and its value is closed when its last user leaves. The host's mutex guards all fields. value and err are
// written before done is closed, and never after.
type slot[T io.Closer] struct {
	entry   models.Entry
	users   int
	started bool
	retired bool
	closed  bool
	done    chan struct{} // closed when the load has ended
	value   T
	err     error
}

func newSlot[T io.Closer](entry models.Entry) *slot[T] {
	return &slot[T]{entry: entry, done: make(chan struct{})}
}

func (s *slot[T]) ended() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// wait returns when the load has ended, whether it succeeded or failed. The caller must be a user of s.
func (s *slot[T]) wait(ctx context.Context) error {
	select {
	case <-s.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *slot[T]) failed() bool { return s.ended() && s.err != nil }

// failure returns the error for users of a slot that has failed.
func (s *slot[T]) failure() error {
	return fmt.Errorf("%w: %s version %d: %w", ErrFailed, s.entry.Name, s.entry.Version, s.err)
}

func (s *slot[T]) state() State {
	switch {
	case !s.started:
		return StateIdle
	case !s.ended():
		return StateLoading
	case s.failed():
		return StateFailed
	}
	return StateReady
}

// start starts the load of a slot, once.
func (h *Host[T]) start(s *slot[T]) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s.started {
		return
	}
	s.started = true
	h.live++
	go func() {
		entry, value, err := h.read(s.entry)
		h.mu.Lock()
		defer h.mu.Unlock()
		s.value, s.err = value, err
		if err == nil {
			s.entry = entry
		} else {
			h.live--
		}
		close(s.done)
		h.settle(s)
		h.drain()
	}()
}

// read loads the file as it is now. It may have changed since it was listed.
func (h *Host[T]) read(listed models.Entry) (models.Entry, T, error) {
	file, err := h.repository.Open(listed.Name, listed.Version)
	if err != nil {
		var none T
		return listed, none, err
	}
	value, err := h.load(h.loading, file)
	return file.Entry, value, err
}

// retire removes slots from use. The caller holds mu.
func (h *Host[T]) retire(slots ...*slot[T]) {
	for _, s := range slots {
		s.retired = true
		h.settle(s)
	}
}

// settle closes a retired slot that has no users. The caller holds mu.
func (h *Host[T]) settle(s *slot[T]) {
	if !s.retired || s.users > 0 || s.closed || !s.ended() || s.err != nil {
		return
	}
	s.closed = true
	go func() { // closing may wait for work in progress
		err := s.value.Close()
		h.mu.Lock()
		defer h.mu.Unlock()
		h.closeErrs = append(h.closeErrs, err)
		h.live--
		h.drain()
	}()
}

// drain tells Close when nothing is left. The caller holds mu.
func (h *Host[T]) drain() {
	if !h.closed || h.live > 0 {
		return
	}
	select {
	case <-h.drained:
	default:
		close(h.drained)
	}
}
