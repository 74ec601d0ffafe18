package rpc

import (
	"cmp"
	"context"
	"log/slog"
	"sync/atomic"
	"time"
)

// OtherMethod replaces the method of a request that names none of the server's, so that a client cannot make up names.
const OtherMethod = "other"

// Visit is a request over HTTP. It becomes a call, which the interceptors log and count, or it is refused before.
// Its methods are safe for concurrent use.
type Visit struct {
	id       string
	ctx      context.Context
	start    time.Time
	log      *slog.Logger
	observer Observer
	called   atomic.Bool
}

type visitKey struct{}

// Arrive begins a visit with the ids that the caller sent. The visit becomes a call if a call is made with the context
// that is returned.
func Arrive(ctx context.Context, given []string, log *slog.Logger, observer Observer) (context.Context, *Visit) {
	v := &Visit{id: requestID(given), start: time.Now(), log: log, observer: observer}
	v.ctx = context.WithValue(ctx, visitKey{}, v)
	return v.ctx, v
}

// ID returns the request id: the caller's if it can be logged, or a new one. A call of the visit has it too if it is
// sent with the call.
func (v *Visit) ID() string { return v.id }

// Refused logs and counts a visit that err ended, as the interceptors do for a call. It does nothing if the visit has
// become a call. method has the form /langevin.v1.ModelService/GetModel; it is empty for a request that names no method
// of the server.
func (v *Visit) Refused(method string, err error) {
	if v.called.Load() {
		return
	}
	c := &call{ctx: v.ctx, id: v.id, start: v.start, observer: v.observer, done: func() {}}
	_ = c.end(v.log, cmp.Or(method, OtherMethod), nil, err) // the request was answered already
}

// Broke logs an error of this program that left a request of the method without its answer, also after its call, which
// has been counted. It returns the status for the client.
func (v *Visit) Broke(method string, err error) error {
	v.log.LogAttrs(v.ctx, slog.LevelError, "no answer", slog.String("request_id", v.id),
		slog.String("method", cmp.Or(method, OtherMethod)), slog.String("error", err.Error()))
	return StatusOf(err).Err()
}
