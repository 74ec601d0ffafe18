package host

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/langevin-ml/langevin/models"
)

// Reload lists the repository again for one model. It loads versions that are new, whose file has changed or that
// failed before, and removes versions that are gone. Users of a replaced version keep it until they release it. If a
// load fails or a file is now broken, the version loaded before stays, and the error reports it. A new version that
// fails is listed as failed. If ctx ends, versions that are already replaced stay replaced.
func (h *Host[T]) Reload(ctx context.Context, name string) error {
	h.reload.Lock()
	defer h.reload.Unlock()
	entries, problems := h.repository.List()
	return h.reloadFrom(ctx, name, entries, problems)
}

// Failure reports why a model differs from the repository.
type Failure struct {
	Name string
	Err  error
}

// ReloadAll is like [Host.Reload] for every model that the repository has or the host had. It returns the failures,
// sorted by name.
func (h *Host[T]) ReloadAll(ctx context.Context) []Failure {
	h.reload.Lock()
	defer h.reload.Unlock()
	entries, problems := h.repository.List()
	var failures []Failure
	for _, name := range h.names(entries, problems) {
		if err := h.reloadFrom(ctx, name, slices.Clone(entries), slices.Clone(problems)); err != nil {
			failures = append(failures, Failure{name, err})
		}
	}
	return failures
}

// names returns the names in a listing and in the host's slots and problems.
func (h *Host[T]) names(entries []models.Entry, problems []models.Problem) []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	names := map[string]bool{}
	for _, e := range slices.Concat(entries, h.entries()) {
		names[e.Name] = true
	}
	for _, p := range slices.Concat(problems, h.problems) {
		names[p.Name] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// Load is like [Host.Reload] but also brings back what was unloaded: one version, or all versions if number is 0. It
// returns an error if the model has no such version that is ready afterwards.
func (h *Host[T]) Load(ctx context.Context, name string, number int) error {
	h.reload.Lock()
	defer h.reload.Unlock()
	h.mu.Lock()
	maps.DeleteFunc(h.withheld, func(v version, _ bool) bool { return v.is(name, number) })
	h.mu.Unlock()
	entries, problems := h.repository.List()
	if err := h.reloadFrom(ctx, name, entries, problems); err != nil {
		return err
	}
	loaded, err := h.Acquire(ctx, name, number)
	if err != nil {
		return err
	}
	loaded.Release()
	return nil
}

// Unload removes one version of a model from the list, or all versions if number is 0, until [Host.Load] brings them
// back. Current users keep what they have.
func (h *Host[T]) Unload(name string, number int) error {
	h.reload.Lock()
	defer h.reload.Unlock()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return ErrClosed
	}
	if _, err := models.Find(h.entries(), nil, name, number); err != nil {
		return err
	}
	h.slots = slices.DeleteFunc(h.slots, func(s *slot[T]) bool {
		v := version{s.entry.Name, s.entry.Version}
		if !v.is(name, number) {
			return false
		}
		h.withheld[v] = true
		h.retire(s)
		return true
	})
	return nil
}

// version names one version of a model.
type version struct {
	name   string
	number int
}

// is reports whether v has the name and, unless number is 0, the number.
func (v version) is(name string, number int) bool {
	return v.name == name && (number == 0 || v.number == number)
}

// withoutWithheld returns the entries without the unloaded versions.
func (h *Host[T]) withoutWithheld(entries []models.Entry) []models.Entry {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.DeleteFunc(entries, func(e models.Entry) bool { return h.withheld[version{e.Name, e.Version}] })
}

// reloadFrom reloads one model from a listing, which it may change. The caller holds reload.
func (h *Host[T]) reloadFrom(ctx context.Context, name string, entries []models.Entry,
	problems []models.Problem) error {
	if h.isClosed() {
		return ErrClosed
	}
	_, missing := models.Find(entries, problems, name, 0)
	entries = slices.DeleteFunc(entries, func(e models.Entry) bool { return e.Name != name })
	problems = slices.DeleteFunc(problems, func(p models.Problem) bool { return p.Name != name })

	var errs []error
	if known := h.forget(name, entries, problems); !known {
		errs = append(errs, missing)
	}
	for _, p := range problems {
		errs = append(errs, p.Err)
	}
	for _, entry := range h.withoutWithheld(entries) {
		errs = append(errs, h.refresh(ctx, entry))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("reload %q: %w", name, err)
	}
	return nil
}

// forget removes the slots of versions that the repository no longer has, valid or not. It reports whether the
// repository or the host knows the name.
func (h *Host[T]) forget(name string, entries []models.Entry, problems []models.Problem) (known bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	known = len(entries)+len(problems) > 0
	h.problems = slices.DeleteFunc(h.problems, func(p models.Problem) bool { return p.Name == name })
	h.problems = append(h.problems, problems...)
	h.slots = slices.DeleteFunc(h.slots, func(s *slot[T]) bool {
		version := s.entry.Version
		if s.entry.Name != name {
			return false
		}
		known = true
		if slices.ContainsFunc(entries, func(e models.Entry) bool { return e.Version == version }) ||
			slices.ContainsFunc(problems, func(p models.Problem) bool { return p.Version == version }) {
			return false
		}
		h.retire(s)
		return true
	})
	return known
}

// refresh loads the version that the entry describes, unless the host has it already, and replaces the old one.
func (h *Host[T]) refresh(ctx context.Context, entry models.Entry) error {
	if h.isCurrent(entry) {
		return nil
	}
	s := newSlot[T](entry)
	s.users = 1
	h.start(s)
	defer h.leave(s)
	err := s.wait(ctx)

	h.mu.Lock()
	defer h.mu.Unlock()
	old := h.slotOf(entry)
	if err == nil && s.err != nil {
		err = s.failure()
	}
	switch {
	case h.closed:
		err = ErrClosed
		h.retire(s)
	case !s.ended() || s.failed() && old != nil && old.started && !old.failed():
		h.retire(s)
	default:
		h.install(s, old)
	}
	return err
}

func (h *Host[T]) isCurrent(entry models.Entry) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.slotOf(entry)
	return s != nil && !s.failed() && s.entry.Digest == entry.Digest
}

// slotOf returns the listed slot with the entry's name and version, or nil. The caller holds mu.
func (h *Host[T]) slotOf(entry models.Entry) *slot[T] {
	if i, found := h.search(entry); found {
		return h.slots[i]
	}
	return nil
}

// install lists s in place of old, or as a new version if old is nil. The caller holds mu.
func (h *Host[T]) install(s, old *slot[T]) {
	i, found := h.search(s.entry)
	if !found {
		h.slots = slices.Insert(h.slots, i, s)
		return
	}
	h.slots[i] = s
	h.retire(old)
}

// search returns the position of an entry in the list. The caller holds mu.
func (h *Host[T]) search(entry models.Entry) (int, bool) {
	return slices.BinarySearchFunc(h.slots, entry, func(s *slot[T], e models.Entry) int {
		return cmp.Or(cmp.Compare(s.entry.Name, e.Name), cmp.Compare(s.entry.Version, e.Version))
	})
}
