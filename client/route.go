package client

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
)

const (
	// mostTurns is how often a call turns away from connections that it avoids, for each open connection. gRPC deals
	// connections out in turn to all calls, so another one comes up soon, unless its server is not ready.
	mostTurns = 4

	// mostDetours bounds the servers with another model that a call asks before it counts this as a failed try.
	mostDetours = 256
)

// route decides which connections the repetitions of one call may use. Only the goroutine of the call uses it.
type route struct {
	all     *connections
	avoided map[*connection]bool // that did not answer, or whose servers have another model
	last    *connection          // of the last attempt; nil if it got none
	turned  bool                 // whether the last attempt turned away from an avoided connection
	turns   int                  // away from avoided connections, in a row
	detours int                  // since avoided was empty
}

func newRoute(all *connections) *route { return &route{all: all, avoided: map[*connection]bool{}} }

// turn reports whether a call should ask gRPC for another connection than c.
func (r *route) turn(c *connection) bool {
	r.turned = r.avoided[c] && r.all.without(r.avoided) > 0 && r.turns < mostTurns*r.all.without(nil)
	if r.turned {
		r.turns++
	} else {
		r.turns = 0
	}
	return r.turned
}

// passes reports whether a call that failed with err should be made again at once: it has turned away from a connection
// to avoid, or its server has another model and there are others to try.
func (r *route) passes(err error) bool {
	return r.turned || errors.Is(err, ErrChanged) && r.elsewhere()
}

// elsewhere reports whether another server is left to try, after the last one could not go on with the call. If not, it
// forgets the ones that were tried.
func (r *route) elsewhere() bool {
	known := r.last == nil || r.avoided[r.last]
	r.avoid()
	if !known && r.detours < mostDetours && r.all.without(r.avoided) > 0 {
		r.detours++
		return true
	}
	clear(r.avoided)
	r.detours = 0
	return false
}

// avoid makes the next attempts prefer other connections than that of the last one.
func (r *route) avoid() {
	if r.last != nil {
		r.avoided[r.last] = true
	}
}

// begin starts the next attempt, which cancel ends. The caller has to call end.
func (r *route) begin(ctx context.Context, cancel context.CancelCauseFunc) *attempt {
	r.last, r.turned = nil, false
	a := &attempt{route: r, cancel: cancel}
	if deadline, ok := ctx.Deadline(); ok && r.all.timeout > 0 {
		a.half = max(1, int(silenceTicks*time.Until(deadline).Seconds()/2/r.all.timeout.Seconds()))
	}
	return a
}

// attempt is one try to make a Sample call. Its goroutine says when it waits for the server, and the ticks of its
// connection count how long that lasts.
type attempt struct {
	route  *route
	cancel context.CancelCauseFunc
	half   int // ticks to half of the call's deadline; 0: it has none

	on      *connection  // nil before gRPC has picked one
	waiting atomic.Bool  // for the server, and not for the reader of events
	begun   atomic.Bool  // an event came
	quiet   atomic.Int32 // ticks since the last event, while waiting
}

// pick accepts a connection, or returns an error if the call should get another one.
func (a *attempt) pick(c *connection) error {
	if a.route.turn(c) {
		return status.Error(codes.Unavailable, "another connection is wanted")
	}
	a.move(c)
	return nil
}

func (a *attempt) move(to *connection) {
	a.end()
	a.on, a.route.last = to, to
	to.join(a)
}

// await begins to count silence. A transport that does not say which connection the call has gets one of its own.
func (a *attempt) await() {
	if a.on == nil {
		a.on = &connection{all: a.route.all, calls: map[*attempt]bool{}}
		a.on.join(a)
	}
	a.quiet.Store(0)
	a.waiting.Store(true)
}

// hear ends what await began: the server has sent something, unless there is an error, which may be of this side.
func (a *attempt) hear(err error) {
	a.waiting.Store(false)
	if err == nil {
		a.begun.Store(true)
		a.on.heard.Add(1)
	}
}

// end stops counting.
func (a *attempt) end() {
	if a.on != nil {
		a.on.leave(a)
	}
}

// tick reports whether the call waits for its server, and counts how long.
func (a *attempt) tick() bool {
	if !a.waiting.Load() {
		return false
	}
	a.quiet.Add(1)
	return true
}

// patience returns how many ticks of silence are too many. A call that has not begun leaves half of its time for
// another server.
func (a *attempt) patience() int {
	if a.half > 0 && !a.begun.Load() {
		return min(a.half, silenceTicks)
	}
	return silenceTicks
}

type attemptKey struct{}

// turning reports whether the call of ctx has just turned away from a connection.
func turning(ctx context.Context) bool {
	a, _ := ctx.Value(attemptKey{}).(*attempt)
	return a != nil && a.route.turned
}

// placing is per-call credentials that show a call its connection before anything is sent. gRPC has no other hook at
// that point: a balancer of our own would have to be registered for the whole program.
type placing struct {
	credentials.PerRPCCredentials // the token's; nil if there is none
}

// RequireTransportSecurity implements [credentials.PerRPCCredentials].
func (p placing) RequireTransportSecurity() bool {
	return p.PerRPCCredentials != nil && p.PerRPCCredentials.RequireTransportSecurity()
}

// GetRequestMetadata implements [credentials.PerRPCCredentials].
func (p placing) GetRequestMetadata(ctx context.Context, uri ...string) (map[string]string, error) {
	a, _ := ctx.Value(attemptKey{}).(*attempt)
	from, _ := peer.FromContext(ctx)
	if a != nil && from != nil {
		if local, ok := from.LocalAddr.(localAddress); ok {
			if err := a.pick(local.of); err != nil {
				return nil, err
			}
		}
	}
	if p.PerRPCCredentials == nil {
		return nil, nil
	}
	return p.PerRPCCredentials.GetRequestMetadata(ctx, uri...)
}
