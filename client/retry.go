package client

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"math/rand/v2"
	"time"

	"google.golang.org/grpc/codes"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// RetryPolicy says how often to make a call that fails before its first answer. Only failures that another try may fix
// are retried: a server that does not answer or is stopping, and a full queue or spent quota whose error says when to
// try again. Every wait is drawn uniformly from 0 to its limit and added to the wait that the server asks for. If a
// wait would exceed the context's deadline, the call is not retried. All tries of a call have one request id.
type RetryPolicy struct {
	Attempts  int           // tries in all, the first included; 1 never tries again; 0: 4
	BaseDelay time.Duration // limit of the first wait, which doubles from try to try; 0: 100 ms
	MaxDelay  time.Duration // where the limit stops doubling; 0: 5 s

	// Outage is how long the servers may be away: for this time after its first failure a call is tried again however
	// many tries that takes. A call that goes on elsewhere, see [WithResume], begins anew whenever it gets on. 0: only
	// Attempts counts.
	Outage time.Duration

	// Handover is Outage for a server that says that it is stopping or not ready yet, from the first time that it says
	// so. Behind the same address there will be another one, or the same one again. 0: 1 minute; less than 0: it is a
	// failure like others.
	Handover time.Duration
}

const (
	defaultAttempts  = 4
	defaultBaseDelay = 100 * time.Millisecond
	defaultMaxDelay  = 5 * time.Second
	defaultHandover  = time.Minute
)

// limit returns the longest wait after the given number of tries, without the wait that the server asks for.
func (p RetryPolicy) limit(tries int) time.Duration {
	doubled := float64(p.BaseDelay) * math.Pow(2, float64(tries-1))
	return time.Duration(min(doubled, float64(p.MaxDelay)))
}

// outage is the failures of a call since it last got on. The zero outage has none.
type outage struct {
	tries    int
	begun    time.Time // the first failure
	handover time.Time // the first time that a server said that it is stopping or not ready; zero: none said so
}

// add counts a failed try.
func (o *outage) add(e *Error, now time.Time) {
	if o.tries == 0 {
		o.begun = now
	}
	o.tries++
	if o.handover.IsZero() && e.leaves() {
		o.handover = now
	}
}

// left returns for how long the policy allows further tries; 0 for none.
func (o *outage) left(p RetryPolicy, e *Error, now time.Time) time.Duration {
	switch {
	case p.Attempts == 1:
		return 0
	case o.tries < p.Attempts:
		return math.MaxInt64
	case e.Reason == reasonChanged: // the servers are there
		return 0
	}
	left := p.Outage - now.Sub(o.begun)
	if !o.handover.IsZero() {
		left = max(left, p.Handover-now.Sub(o.handover))
	}
	return max(0, left)
}

// again reports whether to repeat a call that failed with err. It has then waited, and has connected anew to servers
// that are not ready.
func (c *Client) again(ctx context.Context, failures *outage, err error) bool {
	var e *Error
	if !errors.As(err, &e) || !e.mendable() || ctx.Err() != nil {
		return false
	}
	now := time.Now()
	failures.add(e, now)
	left := failures.left(c.retry, e, now)
	wait := e.RetryAfter + min(left, rand.N(c.retry.limit(failures.tries)+1))
	if deadline, ok := ctx.Deadline(); left == 0 || ok && deadline.Sub(now) < wait {
		return false
	}
	c.log.LogAttrs(ctx, slog.LevelInfo, "call failed, trying again", slog.String("request_id", e.RequestID),
		slog.String("error", e.Error()), slog.Int("tries", failures.tries), slog.Duration("wait", wait))
	// An address may stand for several servers, as a Service of Kubernetes does. A new connection then leads to one
	// that is ready, and the old one never does.
	if e.notReady && c.conn.renew() != nil {
		return false
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// mendable reports whether the same call may succeed later or on another server.
func (e *Error) mendable() bool {
	return e.Code == codes.Unavailable || e.Code == codes.ResourceExhausted && e.RetryAfter > 0 ||
		e.Reason == reasonChanged
}

// leaves reports whether the server said that it is stopping or not ready yet.
func (e *Error) leaves() bool { return e.notReady || e.Reason == langevinv1.ReasonDraining }
