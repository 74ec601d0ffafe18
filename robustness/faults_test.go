package robustness_test

import (
	"errors"
	"math/rand/v2"
	"sync"
	"time"
)

// The places where faults strike, each with its share of the occasions. A client's faults always strike.
const (
	beforeAdmission  = "a pause before admission"
	panicInAdmission = "a panic before admission"
	slowTick         = "a slow tick"
	failedTick       = "a failed tick"
	slowSend         = "a pause in Send"
	failedSend       = "a failed Send"
	slowClose        = "a pause in closing a session"
	slowReload       = "a pause in a reload"
	failedReload     = "a failed load in a reload"
	tornFile         = "a torn file in a reload"
	wrongDigest      = "a file with another digest in a reload"
	cutConnection    = "a connection cut by its client"
	deafConnection   = "a half-open connection"
)

// chances returns how often each fault of the server strikes.
func chances() map[string]float64 {
	return map[string]float64{
		beforeAdmission: 0.1, panicInAdmission: 0.01, slowTick: 0.01, failedTick: 0.0008, slowSend: 0.05,
		failedSend: 0.002, slowClose: 0.5, slowReload: 0.5, failedReload: 0.25, tornFile: 0.2, wrongDigest: 0.2,
		cutConnection: 2, deafConnection: 2,
	}
}

// errInjected is the cause of every fault that ends something with an error.
var errInjected = errors.New("injected fault")

// faults decides by a seed where something goes wrong, and counts it. It is safe for concurrent use.
type faults struct {
	mu      sync.Mutex
	random  *rand.Rand
	armed   bool
	chances map[string]float64
	left    map[string]float64 // occasions until the fault strikes
	fired   map[string]int
}

func newFaults(seed uint64) *faults {
	f := &faults{random: rand.New(rand.NewPCG(seed, 17)), chances: chances(), left: map[string]float64{},
		fired: map[string]int{}}
	for place := range f.chances {
		f.left[place] = f.interval(place)
	}
	return f
}

// interval draws the number of occasions until a fault strikes. It is bounded, so that every fault strikes in a short
// test.
func (f *faults) interval(place string) float64 { return 2 * f.random.Float64() / f.chances[place] }

func (f *faults) arm(on bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.armed = on
}

// strikes reports whether the fault happens now.
func (f *faults) strikes(place string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.armed {
		return false
	}
	if f.left[place]--; f.left[place] > 0 {
		return false
	}
	f.left[place] = f.interval(place)
	f.fired[place]++
	return true
}

// pause waits for a random time, at most the given one, if the fault happens now.
func (f *faults) pause(place string, most time.Duration) {
	if f.strikes(place) {
		f.mu.Lock()
		wait := time.Duration(f.random.Int64N(int64(most)))
		f.mu.Unlock()
		time.Sleep(wait)
	}
}

// counts returns how often each fault has struck.
func (f *faults) counts() map[string]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	counts := map[string]int{}
	for place := range f.chances {
		counts[place] = f.fired[place]
	}
	return counts
}
