// Package pool divides work of a few microseconds among cores.
package pool

import (
	"errors"
	"runtime"
	"sync/atomic"
	"time"
)

// Pool consists of the goroutine that calls it and a fixed number of others. Waking a sleeping thread can take longer
// than the gradient of a few points, so a goroutine that waits polls for work for a while before it sleeps. A Pool is
// for one caller at a time.
type Pool struct {
	others  []*worker
	yielder yielder
}

// worker runs task at each signal.
type worker struct {
	started, ended *signal
	task           func(i int) error // nil: the worker ends
	err            error
}

// New returns a pool of n goroutines, at least 1, including the caller's. The caller must close it.
func New(n int) *Pool {
	p := &Pool{others: make([]*worker, n-1)}
	for i := range p.others {
		w := &worker{started: newSignal(), ended: newSignal()}
		p.others[i] = w
		go w.work(i + 1)
	}
	return p
}

// Size returns the number of goroutines, including the caller's.
func (p *Pool) Size() int { return 1 + len(p.others) }

// Do calls task with each number from 0 to n-1, all at the same time; n is at most Size. It waits for all calls and
// joins their errors.
func (p *Pool) Do(n int, task func(i int) error) error {
	p.yielder.yield()
	others := p.others[:n-1]
	for _, w := range others {
		w.task = task
		w.started.send()
	}
	err := task(0)
	for _, w := range others {
		w.ended.wait()
		err = errors.Join(err, w.err)
	}
	return err
}

// Close ends the goroutines.
func (p *Pool) Close() {
	for _, w := range p.others {
		w.task = nil
		w.started.send()
		w.ended.wait()
	}
	p.others = nil
}

func (w *worker) work(i int) {
	defer w.ended.send()
	runtime.LockOSThread() // keep it on its core, whose cache has its memory
	var yielder yielder
	for w.started.wait(); w.task != nil; w.started.wait() {
		yielder.yield()
		w.err = w.task(i)
		w.ended.send()
	}
}

// signal is sent by one goroutine to one other. It must not be sent again before it was received.
type signal struct {
	state atomic.Uint32 // one of those below
	awake chan struct{} // receives one value if the receiver sleeps
}

const (
	signalUnset    = iota
	signalSent     // and not yet received
	signalSleeping // the receiver waits for awake
)

func newSignal() *signal { return &signal{awake: make(chan struct{}, 1)} }

func (s *signal) send() {
	if s.state.Swap(signalSent) == signalSleeping {
		s.awake <- struct{}{}
	}
}

// patience is the time for which wait polls before it sleeps: about twice the time that it takes to wake.
const patience = 100 * time.Microsecond

func (s *signal) wait() {
	if !s.poll() && s.state.CompareAndSwap(signalUnset, signalSleeping) {
		<-s.awake
	}
	s.state.Store(signalUnset)
}

// poll reports whether the signal was sent before patience ended.
func (s *signal) poll() bool {
	for start := time.Now(); time.Since(start) < patience; {
		for range 1000 { // reading the clock takes as long as some polls
			if s.state.Load() == signalSent {
				return true
			}
		}
	}
	return false
}

// yielder calls the scheduler regularly. Go's monitor assumes that a goroutine is stuck if the scheduler has not run it
// for 10 ms. It then interrupts the goroutine, and from then on checks every 20 µs, on a core that is needed for work.
type yielder struct{ last time.Time }

func (y *yielder) yield() {
	if now := time.Now(); now.Sub(y.last) > 5*time.Millisecond {
		runtime.Gosched()
		y.last = now
	}
}
