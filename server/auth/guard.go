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

// Errors for refused calls, besides [QuotaError].
var (
	ErrUnauthenticated = errors.New("unauthenticated")
	ErrForbidden       = errors.New("permission denied")
)

// Guard checks every call. It is safe for concurrent use.
type Guard struct {
	tokens *Tokens // nil if no token is required
	ledger *ledger
}

// NewGuard returns a guard that requires one of the given tokens, or no token if tokens is nil, and enforces quotas.
func NewGuard(tokens *Tokens, quotas Quotas) *Guard { return &Guard{tokens, newLedger(quotas)} }

// Interceptors returns the guard as server options. They must come after the interceptors that turn errors into
// statuses.
func (g *Guard) Interceptors() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.ChainUnaryInterceptor(func(ctx context.Context, req any, info *grpc.UnaryServerInfo,
			handler grpc.UnaryHandler) (any, error) {
			who, err := g.admit(ctx, info.FullMethod)
			if err != nil {
				return nil, err
			}
			if err := who.guardHealth(g, req); err != nil {
				return nil, err
			}
			return handler(context.WithValue(ctx, callerKey{}, who), req)
		}),
		grpc.ChainStreamInterceptor(func(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo,
			handler grpc.StreamHandler) error {
			who, err := g.admit(stream.Context(), info.FullMethod)
			if err != nil {
				return err
			}
			ctx := context.WithValue(stream.Context(), callerKey{}, who)
			return handler(srv, &guarded{stream, ctx, who, g})
		}),
	}
}

// guarded is a stream whose context identifies its caller.
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

// caller is the origin of a call.
type caller struct {
	name   string
	known  bool // identified by a token
	ledger *ledger
}

type callerKey struct{}

// Admission is the guard's answer to one call of a method, before the call was read.
type Admission struct {
	method string
	who    *caller
	err    error
}

type admissionKey struct{}

// Admit decides about a call with the metadata and the peer of ctx, and charges it to its caller's quota. It is for
// those who want to know before they read the call.
func (g *Guard) Admit(ctx context.Context, method string) Admission {
	who, err := g.admit(ctx, method)
	return Admission{method, who, err}
}

// Err returns why the call is turned away; nil if it may be made.
func (a Admission) Err() error { return a.err }

// In returns a context for the call that was decided about. The guard decides nothing a second time there, and charges
// nothing.
func (a Admission) In(ctx context.Context) context.Context {
	return context.WithValue(ctx, admissionKey{}, a)
}

// admit says who calls, or why the call is turned away.
func (g *Guard) admit(ctx context.Context, method string) (*caller, error) {
	if a, ok := ctx.Value(admissionKey{}).(Admission); ok && a.method == method {
		return a.who, a.err
	}
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
			return nil, asked, fmt.Errorf("%w: %s needs the scope %s, which the token of %s has not",
				ErrForbidden, method, asked.scope, c.name)
		}
	}
	return who, asked, nil
}

// authenticate returns the credential of the call's token.
func (g *Guard) authenticate(ctx context.Context) (credential, error) {
	values := metadata.ValueFromIncomingContext(ctx, "authorization")
	if len(values) != 1 {
		return credential{}, fmt.Errorf("%w: want one header, authorization: Bearer TOKEN, got %d",
			ErrUnauthenticated, len(values))
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "bearer") {
		return credential{}, fmt.Errorf("%w: want authorization: Bearer TOKEN, got another scheme",
			ErrUnauthenticated)
	}
	c, ok := g.tokens.find(strings.TrimSpace(token))
	if !ok {
		return credential{}, fmt.Errorf("%w: the server does not know this token", ErrUnauthenticated)
	}
	return c, nil
}

// guardHealth hides the list of models from callers without a token. They may ask for the health of the server and its
// services, but not of a model.
func (c *caller) guardHealth(g *Guard, req any) error {
	check, ok := req.(*healthv1.HealthCheckRequest)
	if !ok || g.tokens == nil || c.known || !strings.HasPrefix(check.GetService(), "model/") {
		return nil
	}
	return fmt.Errorf("%w: the health of a model requires a token", ErrUnauthenticated)
}

// Caller returns the name of the caller of ctx: the owner of its token, else the name in its verified client
// certificate, else its host.
func Caller(ctx context.Context) string {
	if who, ok := ctx.Value(callerKey{}).(*caller); ok {
		return who.name
	}
	return peerName(ctx)
}

// Charge takes the cost of a request, in chains times network evaluations, from its caller's quota. The cost is not
// refunded if the call ends early, so a cancelled request costs as much as a finished one. The error is a [QuotaError].
func Charge(ctx context.Context, rowSteps int64) error {
	who, ok := ctx.Value(callerKey{}).(*caller)
	if !ok {
		return nil
	}
	return who.ledger.chargeRowSteps(who.name, rowSteps)
}

// peerName returns the name in the caller's certificate, or else its host.
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
