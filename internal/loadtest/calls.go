package loadtest

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/langevin-ml/langevin/client"
)

// How a call ended without a result: one of these, or the server's code and reason.
const (
	outcomeOK         = ""
	OutcomeLeft       = "cancelled by its client"
	outcomeUnfinished = "unfinished at the end"
	outcomeNotMade    = "not made: too many open"
)

// call is one request as its client saw it. Times count from the start of the load.
type call struct {
	due     time.Duration // when it was to be made
	first   time.Duration // of the first event; 0 if there was none
	end     time.Duration
	chains  int
	nfe     int64
	outcome string
}

// Measurement collects calls. It is safe for concurrent use.
type Measurement struct {
	mu        sync.Mutex
	calls     []call
	measured  time.Duration                // after the warm-up; set once the load has ended
	sums      map[uint64][sha256.Size]byte // of the first result of each seed
	compared  int
	differing int
}

func (m *Measurement) add(c call) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls = append(m.calls, c)
}

// compare compares a result with the first one of its seed.
func (m *Measurement) compare(seed uint64, res *client.Result) {
	sum := hash(res)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.sums == nil {
		m.sums = map[uint64][sha256.Size]byte{}
	}
	if first, seen := m.sums[seed]; seen {
		m.compared++
		if sum != first {
			m.differing++
		}
		return
	}
	m.sums[seed] = sum
}

// hash is the SHA-256 of a result's bits and of the model that they come from.
func hash(res *client.Result) (sum [sha256.Size]byte) {
	h := sha256.New()
	h.Write([]byte(res.Digest))
	var b [4]byte
	for _, v := range res.X {
		binary.LittleEndian.PutUint32(b[:], math.Float32bits(v))
		h.Write(b[:])
	}
	h.Sum(sum[:0])
	return sum
}

// outcomeOf names a failed call. cause is why its context ended, or nil if it did not.
func outcomeOf(err, cause error) string {
	var failed *client.Error
	switch {
	case errors.Is(cause, errLeft):
		return OutcomeLeft
	case cause != nil:
		return outcomeUnfinished
	case !errors.As(err, &failed):
		return err.Error()
	case failed.Reason == "":
		return failed.Code.String()
	}
	return failed.Code.String() + " " + failed.Reason
}

// Quantiles are exact order statistics.
type Quantiles struct {
	P50 float64 `json:"p50"`
	P90 float64 `json:"p90"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// newQuantiles sorts values and returns their quantiles, which are 0 if there are no values.
func newQuantiles(values []float64) Quantiles {
	if len(values) == 0 {
		return Quantiles{}
	}
	slices.Sort(values)
	at := func(q float64) float64 { return values[max(0, int(math.Ceil(q*float64(len(values))))-1)] }
	return Quantiles{P50: at(0.5), P90: at(0.9), P99: at(0.99), Max: at(1)}
}
