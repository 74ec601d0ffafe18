package training

import (
	"errors"
	"runtime"
	"slices"
	"testing"
	"time"
)

// Every member does its task once, whether it was looking out for it or had gone to sleep.
func TestCrew(t *testing.T) {
	for _, size := range []int{1, 2, 5} {
		crew := newCrew(size)
		for _, pause := range []time.Duration{0, 0, 3 * patience, 0, 3 * patience} {
			time.Sleep(pause) // the others wait
			done := make([]int, size)
			err := crew.do(size, func(i int) error {
				if i == size-1 {
					time.Sleep(pause) // the caller waits
				}
				done[i]++
				return nil
			})
			if want := slices.Repeat([]int{1}, size); err != nil || !slices.Equal(done, want) {
				t.Errorf("a crew of %d did %v, error %v", size, done, err)
			}
		}
		bad := errors.New("bad")
		err := crew.do(size, func(i int) error {
			if i == size-1 {
				return bad
			}
			return nil
		})
		if !errors.Is(err, bad) {
			t.Errorf("a crew of %d whose last fails: error %v", size, err)
		}
		if err := crew.do(size, func(int) error { return nil }); err != nil {
			t.Errorf("a crew of %d after that: error %v", size, err)
		}
		for n := 1; n <= size; n++ { // the others go on sleeping
			done := make([]int, size)
			err := crew.do(n, func(i int) error { done[i]++; return nil })
			if want := append(slices.Repeat([]int{1}, n), make([]int, size-n)...); err != nil || !slices.Equal(done, want) {
				t.Errorf("%d of a crew of %d did %v, error %v", n, size, done, err)
			}
		}
		crew.close() // TestMain sees whether goroutines are left
	}
}

// A program may give Go more processors than there are; a batch has parts for cores.
func TestCrewHasCores(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(8 * runtime.NumCPU()))
	c := preset(t, "toy-2gauss")
	set(t, &c, "network.hidden=4", "training.batch_size=9600")
	trainer, err := newTrainer(c, Options{Library: library(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer trainer.close()
	want := trainer.lesson().partsOf(runtime.NumCPU())
	if got := trainer.learner.(*cpu).parts; got != want || want > runtime.NumCPU() {
		t.Errorf("%d parts on %d cores, want %d", got, runtime.NumCPU(), want)
	}
}
