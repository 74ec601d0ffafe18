package host

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/langevin-ml/langevin/models"
)

// Reload lists the repository again for one model. It loads versions that are new, whose file has changed or that
// failed before, and removes versions that are gone. Users of a replaced version keep it until they release it. If a
// load fails or a file is now broken, the version loaded before stays, and the error reports it. A new version is
// listed while it loads, and afterwards also if it has failed. Reloads of one model wait for each other. If ctx ends,
// versions that are already replaced stay replaced, and loads of new versions go on.
func (h *Host[T]) Reload(ctx context.Context, name string) error {
	done, _, err := h.change(ctx, name)
	if err != nil {
		return err
	}
	defer done()
	entries, problems := h.repository.List()
	return h.reloadFrom(ctx, name, entries, problems)
}

// turn lets one reload of a model run.
type turn struct {
	taken chan struct{} // has an element while a reload runs
	users int           // reloads that run or wait
}

// change waits until no other reload of a model runs. The caller must call done. waited says whether there was one.
func (h *Host[T]) change(ctx context.Context, name string) (done func(), waited bool, err error) {
	h.mu.Lock()
	t := h.changing[name]
	if t == nil {
		t = &turn{taken: make(chan struct{}, 1)}
		h.changing[name] = t
	}
	waited = t.users > 0
	t.users++
	h.mu.Unlock()
	leave := func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if t.users--; t.users == 0 {
			delete(h.changing, name)
		}
	}
	select {
	case t.taken <- struct{}{}:
		return func() { <-t.taken; leave() }, waited, nil
	case <-ctx.Done():
		err = fmt.Errorf("wait for another reload of %q: %w", name, ctx.Err())
	case <-h.loading.Done():
		err = ErrClosed
	}
	leave()
	return nil, waited, err
}

// Failure reports why a model differs from the repository.
type Failure struct {
	Name string
	Err  error
}

// ReloadAll is like [Host.Reload] for every model that the repository has or the host had, side by side. It returns the
// failures, sorted by name.
func (h *Host[T]) ReloadAll(ctx context.Context) []Failure {
	entries, problems := h.repository.List()
	names := h.names(entries, problems)
	errs := make([]error, len(names))
	var all sync.WaitGroup
	for i, name := range names {
		all.Go(func() {
			done, waited, err := h.change(ctx, name)
			if err != nil {
				errs[i] = err
				return
			}
			defer done()
			entries, problems := slices.Clone(entries), slices.Clone(problems)
			if waited {
				entries, problems = h.repository.List()
			}
			errs[i] = h.reloadFrom(ctx, name, entries, problems)
		})
	}
	all.Wait()
	var failures []Failure
	for i, err := range errs {
		if err != nil {
			failures = append(failures, Failure{names[i], err})
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
	h.mu.Lock()
	maps.DeleteFunc(h.withheld, func(v version, _ bool) bool { return v.is(name, number) })
	h.mu.Unlock()
	if err := h.Reload(ctx, name); err != nil {
		return err
	}
	loaded, err := h.await(ctx, name, number)
	if err != nil {
		return err
	}
	loaded.Release()
	return nil
}

// Unload removes one version of a model from the list, or all versions if number is 0, until [Host.Load] brings them
// back. Current users keep what they have, and loads end.
func (h *Host[T]) Unload(name string, number int) error {
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

// reloadFrom reloads one model from a listing, which it may change. The caller has called change.
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
	errs = append(errs, h.refreshAll(ctx, h.withoutWithheld(entries)))
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

// refreshAll refreshes several versions side by side.
func (h *Host[T]) refreshAll(ctx context.Context, entries []models.Entry) error {
	errs := make([]error, len(entries))
	var all sync.WaitGroup
	for i, entry := range entries {
		all.Go(func() { errs[i] = h.refresh(ctx, entry) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// refresh loads the version that the entry describes, unless the host has it already, and replaces the old one.
func (h *Host[T]) refresh(ctx context.Context, entry models.Entry) error {
	if h.isCurrent(entry) {
		return nil
	}
	s, err := h.enlist(entry)
	if err != nil {
		return err
	}
	h.start(s)
	defer h.leave(s)
	err = s.wait(ctx)

	h.mu.Lock()
	defer h.mu.Unlock()
	if err == nil && s.err != nil {
		err = s.failure()
	}
	switch {
	case h.closed:
		h.retire(s)
		return ErrClosed
	case h.slotOf(entry) == s || s.retired:
	case err != nil || h.withheld[version{entry.Name, entry.Version}]:
		h.retire(s)
	default:
		h.install(s)
	}
	return err
}

// enlist makes a slot for a version, of which the caller is a user. The slot is listed at once unless users have an
// older file of the version, which stays until the new one is ready.
func (h *Host[T]) enlist(entry models.Entry) (*slot[T], error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, ErrClosed
	}
	s := newSlot[T](entry)
	s.users = 1
	if old := h.slotOf(entry); old == nil || !old.started || old.failed() {
		h.install(s)
	}
	return s, nil
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

// install lists s, in place of an older slot for the same version if there is one. The caller holds mu.
func (h *Host[T]) install(s *slot[T]) {
	i, found := h.search(s.entry)
	if !found {
		h.slots = slices.Insert(h.slots, i, s)
		return
	}
	old := h.slots[i]
	h.slots[i] = s
	h.retire(old)
}

// search returns the position of an entry in the list. The caller holds mu.
func (h *Host[T]) search(entry models.Entry) (int, bool) {
	return slices.BinarySearchFunc(h.slots, entry, func(s *slot[T], e models.Entry) int {
		return cmp.Or(cmp.Compare(s.entry.Name, e.Name), cmp.Compare(s.entry.Version, e.Version))
	})
}
