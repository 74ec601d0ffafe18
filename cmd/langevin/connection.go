package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"github.com/langevin-ml/langevin/client"
)

// connection says which server a command talks to.
type connection struct {
	flags  *pflag.FlagSet
	server string
	local  bool
}

func (c *connection) register(flags *pflag.FlagSet) {
	c.flags = flags
	flags.StringVar(&c.server, "server", "", "server to ask, as host:port (default $LANGEVIN_SERVER, else localhost:50051)")
	flags.BoolVar(&c.local, "local", false, "start a server inside this process instead: same code, same bytes")
	registerLocal(flags)
	for _, name := range localSettings() {
		f := flags.Lookup(name)
		f.Usage = "with --local: " + f.Usage
	}
}

// check refuses flags that do not go together.
func (c *connection) check() error {
	if c.local && c.server != "" {
		return usagef("--server and --local: want one of them")
	}
	for _, name := range localSettings() {
		if !c.local && c.flags.Changed(name) {
			return usagef("--%s needs --local; a server has settings of its own", name)
		}
	}
	return nil
}

// use calls work with a client of the server, and explains errors that come from the connection.
func (p *program) use(ctx context.Context, c connection, work func(context.Context, *client.Client) error) error {
	if err := c.check(); err != nil {
		return err
	}
	if c.local {
		return p.useLocal(ctx, c.flags, work)
	}
	remote, err := client.New(c.server, p.connect...)
	if err != nil {
		return err
	}
	defer remote.Close()
	return explain(work(ctx, remote), remote.Target())
}

// explain says what to do when no server answers, and where to look for the cause of a server's own failure.
func explain(err error, target string) error {
	var failed *client.Error
	switch {
	case errors.Is(err, client.ErrUnreachable):
		return fmt.Errorf("no server answers at %s (%s): start one with \"langevin serve\", name another with --server, or use --local",
			target, lastCause(err))
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
