package survival_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"
)

// fault is a way to disturb a replica.
type fault int

const (
	killed fault = iota
	restarted
	frozen
	blackholed
	cut
	faults
)

func (f fault) String() string {
	return [...]string{"killed", "restarted", "frozen", "blackholed", "connections cut"}[f]
}

// trouble disturbs replicas and counts what it did.
type trouble struct {
	t        *testing.T
	longest  time.Duration // of a freeze
	replicas []*replica
	calm     chan struct{} // one token for each replica that may be disturbed
	update   chan struct{} // one token: the right to serve the newer variant

	mu    sync.Mutex
	fired [faults]int
}

func newTrouble(t *testing.T, replicas []*replica, longest time.Duration) *trouble {
	// One replica is always left alone, so that calls get on.
	x := &trouble{t: t, longest: longest, replicas: replicas, calm: make(chan struct{}, len(replicas)-1),
		update: make(chan struct{}, 1)}
	return x
}

// at disturbs each replica at random, until ctx ends.
func (x *trouble) at(ctx context.Context, seed uint64) {
	var all sync.WaitGroup
	for i, r := range x.replicas {
		all.Go(func() {
			rng := rand.New(rand.NewPCG(seed, uint64(i)))
			for {
				select {
				case <-time.After(between(rng, 300*time.Millisecond, 3*time.Second)):
				case <-ctx.Done():
					return
				}
				x.disturb(r, fault(rng.IntN(int(faults))), between(rng, 0, x.longest), rng.IntN(2) == 0)
			}
		})
	}
	all.Wait()
}

func between(rng *rand.Rand, least, most time.Duration) time.Duration {
	return least + time.Duration(rng.Int64N(int64(most-least)+1))
}

// disturb does one fault to a replica and ends it after the given time. A replica that starts again may be updated.
func (x *trouble) disturb(r *replica, f fault, wait time.Duration, update bool) {
	x.calm <- struct{}{}
	defer func() { <-x.calm }()
	before := r.proxy.Hits()
	var err error
	switch f {
	case killed:
		err = r.kill(wait/4, x.next(r, update))
	case restarted:
		err = r.restart(wait/4, x.next(r, update))
	case frozen:
		err = r.freeze(wait)
	case blackholed:
		r.cutOff(wait)
		if r.proxy.Hits().Held == before.Held {
			return // nothing wanted to pass
		}
	case cut:
		if r.proxy.Cut() == 0 {
			return
		}
	}
	if err != nil {
		x.t.Errorf("%s: %v", f, err)
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.fired[f]++
}

// next returns the variant that a replica serves next. At most one has the newer one.
func (x *trouble) next(r *replica, update bool) int {
	if r.variant == newer {
		<-x.update
		return older
	}
	if update {
		select {
		case x.update <- struct{}{}:
			return newer
		default:
		}
	}
	return older
}

// String reports what happened.
func (x *trouble) String() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	var words []string
	for f, n := range x.fired {
		words = append(words, fmt.Sprintf("%d %s", n, fault(f)))
	}
	updated := int32(0)
	for _, r := range x.replicas {
		updated += r.served[newer].Load()
	}
	return strings.Join(append(words, fmt.Sprintf("%d updated", updated)), ", ")
}

// check fails the test unless every fault happened.
func (x *trouble) check() {
	x.mu.Lock()
	defer x.mu.Unlock()
	for f, n := range x.fired {
		if n == 0 {
			x.t.Errorf("no replica was %s", fault(f))
		}
	}
}
