package auth

import (
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"
)

// checkEvery is the shortest time between two checks of the files behind a reloaded value.
const checkEvery = time.Second

// reloaded is a value that is read from files and read again when one of them changes. A change that cannot be read is
// logged once, and the old value stays.
type reloaded[T any] struct {
	files []string
	read  func() (T, error)
	log   *slog.Logger
	now   func() time.Time

	mu      sync.Mutex
	value   T
	stamp   string    // stamp of the files when they were last read, successfully or not
	checked time.Time // when the stamp was last compared
}

// newReloaded reads the value for the first time, which must succeed.
func newReloaded[T any](log *slog.Logger, read func() (T, error), files ...string) (*reloaded[T], error) {
	r := &reloaded[T]{files: files, read: read, log: log, now: time.Now}
	r.stamp, r.checked = stampOf(files), r.now()
	var err error
	r.value, err = read()
	return r, err
}

// get returns the current value of the files, or their last valid value.
func (r *reloaded[T]) get() T {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.now().Sub(r.checked) < checkEvery {
		return r.value
	}
	r.checked = r.now()
	stamp := stampOf(r.files)
	if stamp == r.stamp {
		return r.value
	}
	r.stamp = stamp
	value, err := r.read()
	if err != nil {
		r.log.Error("not reloaded: the old contents stay in force", "files", strings.Join(r.files, " "), "error", err)
		return r.value
	}
	r.value = value
	r.log.Info("reloaded", "files", strings.Join(r.files, " "))
	return r.value
}

// stampOf returns a text that changes whenever one of the files changes. It follows links, so it detects a replaced
// Kubernetes secret.
func stampOf(files []string) string {
	var b strings.Builder
	for _, file := range files {
		if info, err := os.Stat(file); err != nil {
			fmt.Fprintln(&b, err)
		} else {
			fmt.Fprintln(&b, info.ModTime().UnixNano(), info.Size())
		}
	}
	return b.String()
}
