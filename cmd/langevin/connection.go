package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/server"
)

// connection says which server a command talks to.
type connection struct {
	access
	flags   *pflag.FlagSet
	server  string
	local   bool
	timeout time.Duration
	split   int // parts of one request, for commands that draw
}

func (c *connection) register(flags *pflag.FlagSet) {
	c.flags = flags
	flags.StringVar(&c.server, "server", "", "server to ask, as host:port, or several, as a:50051,b:50051 (default $"+
		server.EnvServer+", else localhost:50051)")
	flags.DurationVar(&c.timeout, "timeout", 0, "give up after so long, such as 30s (default never)")
	c.access.register(flags)
	flags.BoolVar(&c.local, "local", false, "start a server inside this process instead: same code, same bytes")
	registerLocal(flags)
	for _, name := range localSettings() {
		f := flags.Lookup(name)
		f.Usage = "with --local: " + f.Usage
	}
}

// registerSplit adds the flag of commands that draw.
func (c *connection) registerSplit(flags *pflag.FlagSet) {
	flags.IntVar(&c.split, "split", 1, "draw many chains in so many `PARTS` at once, for --server with several: same bytes")
}

// check refuses flags that do not go together.
func (c *connection) check() error {
	if c.local && c.server != "" {
		return usagef("--server and --local: want one of them")
	}
	if c.local && c.access.given() {
		return usagef("--local needs no TLS and no token")
	}
	if err := c.access.check(); err != nil {
		return err
	}
	for _, name := range localSettings() {
		if !c.local && c.flags.Changed(name) {
			return usagef("--%s needs --local; a server has settings of its own", name)
		}
	}
	return nil
}

// use calls work with a client of the server, for as long as --timeout allows, and explains errors that come from the
// connection.
func (p *program) use(ctx context.Context, c connection, work func(context.Context, *client.Client) error) error {
	if err := c.check(); err != nil {
		return err
	}
	if c.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.timeout)
		defer cancel()
	}
	err := p.useServer(ctx, c, work)
	if c.timeout > 0 && errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, client.ErrDeadlineTooShort) {
		return fmt.Errorf("not done within --timeout %s", c.timeout)
	}
	return err
}

func (p *program) useServer(ctx context.Context, c connection, work func(context.Context, *client.Client) error) error {
	if c.local {
		return p.useLocal(ctx, c.flags, work)
	}
	target := client.DefaultTarget(c.server)
	options, err := c.access.options(target)
	if err != nil {
		return err
	}
	options = append(options, client.WithResume(), client.WithSplit(max(1, c.split)))
	remote, err := client.New(target, append(options, p.connect...)...)
	if err != nil {
		return err
	}
	defer remote.Close()
	return explain(work(ctx, remote), target)
}

// explain says what to do when no server answers, and where to look for the cause of a server's own failure.
func explain(err error, target string) error {
	var failed *client.Error
	switch {
	case errors.Is(err, client.ErrUnreachable):
		return fmt.Errorf("no server answers at %s (%s): start one with \"langevin serve\", name another with --server, or use --local",
			target, lastCause(err))
	case errors.Is(err, client.ErrUnauthenticated):
		return fmt.Errorf("%w: show a token with --token-file or %s", err, server.EnvToken)
	case errors.As(err, &failed) && failed.Reason == "" && failed.RequestID != "" && !isContext(err):
		return fmt.Errorf("%w (request %s)", err, failed.RequestID)
	}
	return err
}

func isContext(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// lastCause is the end of a chain of causes: "connection refused".
func lastCause(err error) string {
	text := err.Error()
	return strings.Trim(text[strings.LastIndex(text, ": ")+1:], ` "`)
}
