package filelock

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

func TestTake(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	if err := os.WriteFile(path, []byte("left by a process that was killed"), 0o600); err != nil {
		t.Fatal(err)
	}
	first, err := Take(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Take(path); !errors.Is(err, ErrTaken) || !strings.Contains(err.Error(), path) {
		t.Errorf("a second time: error %v, want one that names the file", err)
	}
	first.Release()
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after the release: %v, want no file", err)
	}
	again, err := Take(path)
	if err != nil {
		t.Fatal(err)
	}
	again.Release()
	if _, err := Take(filepath.Join(path, "below")); err == nil || errors.Is(err, ErrTaken) {
		t.Errorf("in a folder that is not there: error %v, want another one", err)
	}
}

// TestOneAtATime: the file is removed and made again all the time, and still only one goroutine has the lock.
func TestOneAtATime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	var inside atomic.Int32
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for taken := 0; taken < 50; {
				lock, err := Take(path)
				if errors.Is(err, ErrTaken) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				if inside.Add(1) != 1 {
					t.Error("two have the lock")
				}
				taken++
				inside.Add(-1)
				lock.Release()
			}
		})
	}
	all.Wait()
}

// TestTryNeedsTheName: who locks a file that was removed has locked nothing.
func TestTryNeedsTheName(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if ours, err := Try(f); !ours || err != nil {
		t.Errorf("with its name: %v, %v", ours, err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if ours, err := Try(f); ours || err != nil {
		t.Errorf("removed: %v, %v, want false", ours, err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if ours, err := Try(f); ours || err != nil {
		t.Errorf("with another file under its name: %v, %v, want false", ours, err)
	}
}
