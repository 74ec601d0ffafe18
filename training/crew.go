package training

import (
	"errors"
	"runtime"
	"sync/atomic"
	"time"
)

// crew shares short work among cores: it is the goroutine that calls it and so many others. To wake a thread that sleeps
// can take longer than a gradient of few points, so whoever waits looks out for work for a while and only then sleeps.
// For one caller at a time.
type crew struct {
	others []*member
	turns  turns
}

// member works on task whenever it was told to.
type member struct {
	started, ended *baton
	task           func(i int) error // nil: to leave
	err            error
}

// newCrew returns a crew of n, at least 1. It is to be closed.
func newCrew(n int) *crew {
	c := &crew{others: make([]*member, n-1)}
	for i := range c.others {
		m := &member{started: newBaton(), ended: newBaton()}
		c.others[i] = m
		go m.work(i + 1)
	}
	return c
}

func (c *crew) size() int { return 1 + len(c.others) }

// do calls task with each of 0 to n-1, which is at most size, side by side, and waits for all.
func (c *crew) do(n int, task func(i int) error) error {
	c.turns.give()
	others := c.others[:n-1]
	for _, m := range others {
		m.task = task
		m.started.pass()
	}
	err := task(0)
	for _, m := range others {
		m.ended.await()
		err = errors.Join(err, m.err)
	}
	return err
}

// close ends the goroutines.
func (c *crew) close() {
	for _, m := range c.others {
		m.task = nil
		m.started.pass()
		m.ended.await()
	}
	c.others = nil
}

func (m *member) work(i int) {
	defer m.ended.pass()
	runtime.LockOSThread() // so that it stays on its core, which has its memory
	var turns turns
	for m.started.await(); m.task != nil; m.started.await() {
		turns.give()
		m.err = m.task(i)
		m.ended.pass()
	}
}

// baton is passed from one goroutine to one other. Whoever passes it must not pass it again before it was taken.
type baton struct {
	state atomic.Uint32 // one of those below
	awake chan struct{} // gets one if it is passed to one who sleeps
}

const (
	batonHeld   = iota // by who is to pass it
	batonPassed        // and not yet taken
	batonMissed        // by one who sleeps
)

func newBaton() *baton { return &baton{awake: make(chan struct{}, 1)} }

func (b *baton) pass() {
	if b.state.Swap(batonPassed) == batonMissed {
		b.awake <- struct{}{}
	}
}

// patience is how long await looks out before it sleeps: about twice as long as waking takes.
const patience = 100 * time.Microsecond

func (b *baton) await() {
	if !b.seen() && b.state.CompareAndSwap(batonHeld, batonMissed) {
		<-b.awake
	}
	b.state.Store(batonHeld)
}

// seen looks out for a pass.
func (b *baton) seen() bool {
	for start := time.Now(); time.Since(start) < patience; {
		for range 1000 { // the clock takes as long as some looks
			if b.state.Load() == batonPassed {
				return true
			}
		}
	}
	return false
}

// turns are what a goroutine that computes without an end leaves to others. Go's monitor takes one that the scheduler has not
// seen for 10 ms for one that is stuck: it interrupts it, and from then on looks every 20 us, on a core that has better to do.
type turns struct{ given time.Time }

func (t *turns) give() {
	if now := time.Now(); now.Sub(t.given) > 5*time.Millisecond {
		runtime.Gosched()
		t.given = now
	}
}
