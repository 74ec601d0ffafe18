package auth

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Quotas bound the requests of one caller. A rate of zero means no bound.
type Quotas struct {
	CallsPerSecond    int
	CallsBurst        int
	RowStepsPerSecond int64 // chains times network evaluations
	RowStepsBurst     int64 // also the largest cost of one request
}

// ErrQuota is wrapped by [QuotaError].
var ErrQuota = errors.New("quota exceeded")

// QuotaError reports that a caller has used up its quota.
type QuotaError struct {
	Caller string
	Unit   string        // "calls" or "row-steps"
	Rate   int64         // units per second
	Burst  int64         // units that may be used at once
	Cost   int64         // units of this request
	Retry  time.Duration // time until the request fits; negative if it never fits, because it costs more than Burst
}

// Error says what the caller can do.
func (e *QuotaError) Error() string {
	if e.Retry < 0 {
		return fmt.Sprintf(
			"%v: the request costs %d %s and %s may use %d at once (quota.row_steps_burst): ask for less",
			ErrQuota, e.Cost, e.Unit, e.Caller, e.Burst)
	}
	return fmt.Sprintf("%v: %s may use %d %s per second: try again in %v",
		ErrQuota, e.Caller, e.Rate, e.Unit, e.Retry.Round(time.Millisecond))
}

// Unwrap returns ErrQuota.
func (e *QuotaError) Unwrap() error { return ErrQuota }

// mostCallers bounds the number of accounts. When it is reached, full accounts are removed. A caller does not notice,
// because a new account is also full.
const mostCallers = 10_000

// ledger keeps the accounts of all callers.
type ledger struct {
	quotas Quotas
	now    func() time.Time

	mu      sync.Mutex
	buckets map[string]*account
}

// account is what a caller may still use.
type account struct{ calls, rowSteps *rate.Limiter }

func newLedger(q Quotas) *ledger {
	return &ledger{quotas: q, now: time.Now, buckets: map[string]*account{}}
}

func limiter(perSecond, burst int64) *rate.Limiter {
	if perSecond == 0 {
		return rate.NewLimiter(rate.Inf, 0)
	}
	return rate.NewLimiter(rate.Limit(perSecond), int(burst))
}

// of returns the caller's account.
func (l *ledger) of(caller string) *account {
	l.mu.Lock()
	defer l.mu.Unlock()
	if a := l.buckets[caller]; a != nil {
		return a
	}
	if len(l.buckets) >= mostCallers {
		l.forget()
	}
	a := &account{
		calls:    limiter(int64(l.quotas.CallsPerSecond), int64(l.quotas.CallsBurst)),
		rowSteps: limiter(l.quotas.RowStepsPerSecond, l.quotas.RowStepsBurst),
	}
	l.buckets[caller] = a
	return a
}

// forget removes the accounts that are full. The caller holds mu.
func (l *ledger) forget() {
	now := l.now()
	for name, a := range l.buckets {
		if a.calls.TokensAt(now) >= float64(a.calls.Burst()) &&
			a.rowSteps.TokensAt(now) >= float64(a.rowSteps.Burst()) {
			delete(l.buckets, name)
		}
	}
}

// chargeCall charges one call to the caller's account.
func (l *ledger) chargeCall(caller string) error {
	return l.charge(caller, l.of(caller).calls, "calls", 1)
}

// chargeRowSteps charges the cost of a request to the caller's account.
func (l *ledger) chargeRowSteps(caller string, cost int64) error {
	return l.charge(caller, l.of(caller).rowSteps, "row-steps", cost)
}

// charge takes cost from a bucket. If the bucket has less, it takes nothing and returns an error that says when it will
// have enough.
func (l *ledger) charge(caller string, bucket *rate.Limiter, unit string, cost int64) error {
	now := l.now()
	if bucket.Limit() == rate.Inf {
		return nil
	}
	refused := &QuotaError{
		Caller: caller, Unit: unit, Rate: int64(bucket.Limit()), Burst: int64(bucket.Burst()), Cost: cost, Retry: -1,
	}
	taken := bucket.ReserveN(now, int(cost))
	if !taken.OK() {
		return refused
	}
	if refused.Retry = taken.DelayFrom(now); refused.Retry > 0 {
		taken.CancelAt(now)
		return refused
	}
	return nil
}
