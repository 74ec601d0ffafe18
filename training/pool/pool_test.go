package pool

import (
	"errors"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestPool: every goroutine runs its task once, whether it was polling or sleeping.
func TestPool(t *testing.T) {
	for _, size := range []int{1, 2, 5} {
		pool := New(size)
		for _, pause := range []time.Duration{0, 0, 3 * patience, 0, 3 * patience} {
			time.Sleep(pause) // the others wait
			done := make([]int, size)
			err := pool.Do(size, func(i int) error {
				if i == size-1 {
					time.Sleep(pause) // the caller waits
				}
				done[i]++
				return nil
			})
			if want := slices.Repeat([]int{1}, size); err != nil || !slices.Equal(done, want) {
				t.Errorf("a pool of %d did %v, error %v", size, done, err)
			}
		}
		bad := errors.New("bad")
		err := pool.Do(size, func(i int) error {
			if i == size-1 {
				return bad
			}
			return nil
		})
		if !errors.Is(err, bad) {
			t.Errorf("a pool of %d whose last fails: error %v", size, err)
		}
		if err := pool.Do(size, func(int) error { return nil }); err != nil {
			t.Errorf("a pool of %d after that: error %v", size, err)
		}
		for n := 1; n <= size; n++ { // the others keep sleeping
			done := make([]int, size)
			err := pool.Do(n, func(i int) error { done[i]++; return nil })
			if want := append(slices.Repeat([]int{1}, n), make([]int, size-n)...); err != nil ||
				!slices.Equal(done, want) {
				t.Errorf("%d of a pool of %d did %v, error %v", n, size, done, err)
			}
		}
		pool.Close() // TestMain checks that no goroutines are left
	}
}
