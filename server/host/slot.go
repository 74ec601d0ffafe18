package host

import (
	"context"
	"errors"
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
	stop    context.CancelFunc // ends the load; nil unless it runs
	done    chan struct{}      // closed when the load has ended
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
		return context.Cause(ctx)
	}
}

func (s *slot[T]) failed() bool { return s.ended() && s.err != nil }

// failure returns the error for users of a slot that has failed.
func (s *slot[T]) failure() error {
	return fmt.Errorf("%w: %s version %d: %w", ErrFailed, s.entry.Name, s.entry.Version, s.err)
}

func (s *slot[T]) status() Status {
	return Status{Entry: s.entry, State: s.state(), Err: s.err}
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

// start starts the load of a slot, once, when its turn comes.
func (h *Host[T]) start(s *slot[T]) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s.started {
		return
	}
	s.started = true
	h.live++
	h.queue = append(h.queue, s)
	h.next()
}

// next runs loads of the queue, as many as may run at once. The caller holds mu.
func (h *Host[T]) next() {
	for len(h.queue) > 0 && h.running < h.options.Parallel {
		s := h.queue[0]
		h.queue = h.queue[1:]
		h.running++
		ctx, stop := context.WithCancel(h.loading)
		if h.options.Limit > 0 {
			ctx, stop = context.WithTimeout(h.loading, h.options.Limit)
		}
		s.stop = stop
		if s.retired {
			stop()
		}
		go h.run(ctx, s)
	}
}

// run loads a slot.
func (h *Host[T]) run(ctx context.Context, s *slot[T]) {
	entry, value, err := h.read(ctx, s.entry)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() != nil {
		err = fmt.Errorf("it did not load within %v: %w", h.options.Limit, err)
	}
	h.mu.Lock()
	s.stop()
	s.stop = nil
	s.value, s.err = value, err
	if err == nil {
		s.entry = entry
	} else {
		h.live--
	}
	close(s.done)
	close(h.ended)
	h.ended = make(chan struct{})
	status, listed := s.status(), !s.retired
	h.settle(s)
	h.running--
	h.next()
	h.drain()
	h.mu.Unlock()
	if listed && h.options.Ended != nil {
		h.options.Ended(status)
	}
}

// read loads the file as it is now. It may have changed since it was listed.
func (h *Host[T]) read(ctx context.Context, listed models.Entry) (models.Entry, T, error) {
	var none T
	if err := ctx.Err(); err != nil {
		return listed, none, err
	}
	file, err := h.repository.Open(listed.Name, listed.Version)
	if err != nil {
		return listed, none, err
	}
	value, err := h.load(ctx, file)
	return file.Entry, value, err
}

// retire removes slots from use, and stops their loads. The caller holds mu.
func (h *Host[T]) retire(slots ...*slot[T]) {
	for _, s := range slots {
		s.retired = true
		if s.stop != nil {
			s.stop()
		}
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
