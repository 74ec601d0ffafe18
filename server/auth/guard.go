package auth

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
)

// Why a call is turned away, besides its quota.
var (
	ErrUnauthenticated = errors.New("unauthenticated")
	ErrForbidden       = errors.New("permission denied")
)

// Guard is the gate that every call passes. It is safe for concurrent use.
type Guard struct {
	tokens *Tokens // nil: no token is asked for
	ledger *ledger
}

// NewGuard returns a gate that asks for the given tokens, or for none if nil, and keeps callers to their quotas.
func NewGuard(tokens *Tokens, quotas Quotas) *Guard { return &Guard{tokens, newLedger(quotas)} }

// Interceptors returns the gate as server options. They belong behind those that turn errors into statuses.
func (g *Guard) Interceptors() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.ChainUnaryInterceptor(func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
			who, err := g.admit(ctx, info.FullMethod)
			if err != nil {
				return nil, err
			}
			if err := who.guardHealth(g, req); err != nil {
				return nil, err
			}
			return handler(context.WithValue(ctx, callerKey{}, who), req)
		}),
		grpc.ChainStreamInterceptor(func(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
			who, err := g.admit(stream.Context(), info.FullMethod)
			if err != nil {
				return err
			}
			ctx := context.WithValue(stream.Context(), callerKey{}, who)
			return handler(srv, &guarded{stream, ctx, who, g})
		}),
	}
}

// guarded is a stream whose context knows its caller.
type guarded struct {
	grpc.ServerStream
	ctx   context.Context
	who   *caller
	guard *Guard
}

func (s *guarded) Context() context.Context { return s.ctx }

func (s *guarded) RecvMsg(m any) error {
	if err := s.ServerStream.RecvMsg(m); err != nil {
		return err
	}
	return s.who.guardHealth(s.guard, m)
}

// caller is who makes a call.
type caller struct {
	name   string
	known  bool // by a token
	ledger *ledger
}

type callerKey struct{}

// Admits reports whether a call with the metadata of ctx may be made, whatever it asks for and whatever its caller's
// quota. It costs nothing, and is for those who want to know before they read a call.
func (g *Guard) Admits(ctx context.Context, method string) bool {
	_, _, err := g.identify(ctx, method)
	return err == nil
}

// admit says who calls, or why the call is turned away.
func (g *Guard) admit(ctx context.Context, method string) (*caller, error) {
	who, asked, err := g.identify(ctx, method)
	if err != nil || asked.open {
		return who, err
	}
	return who, g.ledger.chargeCall(who.name)
}

// identify says who calls and what the method asks, or why this caller may not call it.
func (g *Guard) identify(ctx context.Context, method string) (*caller, access, error) {
	asked, listed := accessOf(method)
	if !listed {
		return nil, asked, fmt.Errorf("%w: nobody may call %s", ErrForbidden, method)
	}
	who := &caller{name: peerName(ctx), ledger: g.ledger}
	if g.tokens != nil {
		c, err := g.authenticate(ctx)
		switch {
		case err == nil:
			who.name, who.known = c.name, true
		case !asked.open:
			return nil, asked, err
		}
		if !asked.open && !slices.Contains(c.scopes, asked.scope) {
			return nil, asked, fmt.Errorf("%w: %s needs the scope %s, which the token of %s has not", ErrForbidden, method, asked.scope, c.name)
		}
	}
	return who, asked, nil
}

// authenticate returns the credential of the token that the call carries.
func (g *Guard) authenticate(ctx context.Context) (credential, error) {
	values := metadata.ValueFromIncomingContext(ctx, "authorization")
	if len(values) != 1 {
		return credential{}, fmt.Errorf("%w: this server wants one header, authorization: Bearer TOKEN, and got %d", ErrUnauthenticated, len(values))
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "bearer") {
		return credential{}, fmt.Errorf("%w: this server wants authorization: Bearer TOKEN, and got another scheme", ErrUnauthenticated)
	}
	c, ok := g.tokens.find(strings.TrimSpace(token))
	if !ok {
		return credential{}, fmt.Errorf("%w: the token is not one of this server's", ErrUnauthenticated)
	}
	return c, nil
}

// guardHealth keeps from strangers which models there are: they may ask for the health of the server and its services,
// not of a model.
func (c *caller) guardHealth(g *Guard, req any) error {
	check, ok := req.(*healthv1.HealthCheckRequest)
	if !ok || g.tokens == nil || c.known || !strings.HasPrefix(check.GetService(), "model/") {
		return nil
	}
	return fmt.Errorf("%w: the health of a model is told to holders of a token", ErrUnauthenticated)
}

// Caller names who makes the call that ctx belongs to: the owner of its token, else the name in its verified client
// certificate, else its host.
func Caller(ctx context.Context) string {
	if who, ok := ctx.Value(callerKey{}).(*caller); ok {
		return who.name
	}
	return peerName(ctx)
}

// Charge takes the cost of a request, in chains times network evaluations, from its caller's quota. It is not given
// back if the call ends early: opening and cancelling costs as much as waiting. The error is a [QuotaError].
func Charge(ctx context.Context, rowSteps int64) error {
	who, ok := ctx.Value(callerKey{}).(*caller)
	if !ok {
		return nil
	}
	return who.ledger.chargeRowSteps(who.name, rowSteps)
}

// peerName is the name in the caller's certificate, or else its host.
func peerName(ctx context.Context) string {
	p, ok := peer.FromContext(ctx)
	if !ok || p.Addr == nil {
		return ""
	}
	if secure, ok := p.AuthInfo.(credentials.TLSInfo); ok && len(secure.State.VerifiedChains) > 0 {
		if name := secure.State.PeerCertificates[0].Subject.CommonName; name != "" {
			return name
		}
	}
	address := p.Addr.String()
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}
	return address
}
