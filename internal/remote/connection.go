// Package remote is how commands reach models: on a server, with TLS and tokens, or on a server inside this process.
package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/server"
)

// Connection has the flags that say which server a command asks.
type Connection struct {
	access
	flags   *pflag.FlagSet
	server  string
	Local   bool
	timeout time.Duration
	stall   time.Duration
	retry   time.Duration
	split   int // parts of one request, for commands that draw
}

// Register adds the flags.
func (c *Connection) Register(flags *pflag.FlagSet) {
	c.flags = flags
	flags.StringVar(&c.server, "server", "", "server to ask, as host:port, or several, as a:50051,b:50051 (default $"+
		server.EnvServer+", else localhost:50051)")
	flags.DurationVar(&c.timeout, "timeout", 0, "give up after this time, such as 30s (default never)")
	flags.DurationVar(&c.stall, "stall-timeout", 0, "go on elsewhere if the server that draws is silent for this "+
		"time; at least 1s, or -1s for never (default 10s)")
	flags.DurationVar(&c.retry, "retry-for", 0, "try again for this time, such as 1h, while no server answers or has "+
		"room (default 4 times, and 1m if one is stopping); what was drawn is kept")
	c.access.register(flags)
	flags.BoolVar(&c.Local, "local", false, "start a server inside this process instead: same code, same bytes")
	RegisterLocal(flags)
	for _, name := range LocalSettings() {
		f := flags.Lookup(name)
		f.Usage = "with --local: " + f.Usage
	}
}

// Library returns the path that --onnxruntime-library gives, or "".
func (c Connection) Library() string { return c.flags.Lookup("onnxruntime-library").Value.String() }

// RegisterSplit adds the flag --split, for commands that draw.
func (c *Connection) RegisterSplit(flags *pflag.FlagSet) {
	flags.IntVar(&c.split, "split", 1, "draw many chains in this many `PARTS` at once, for --server with several "+
		"addresses: same bytes")
}

// check refuses flags that do not go together.
func (c *Connection) check() error {
	if c.Local && c.server != "" {
		return cli.Usagef("--server and --local: want one of them")
	}
	if c.Local && c.access.given() {
		return cli.Usagef("--local needs no TLS and no token")
	}
	if c.Local && c.stall != 0 {
		return cli.Usagef("--stall-timeout is for --server, not --local")
	}
	if c.Local && c.retry != 0 {
		return cli.Usagef("--retry-for is for --server, not --local")
	}
	if c.retry < 0 {
		return cli.Usagef("--retry-for is %s: want 0 or more", c.retry)
	}
	if c.stall > 0 && c.stall < client.MinStallTimeout {
		return cli.Usagef("--stall-timeout is %s: want %s or more, or less than 0 for none", c.stall,
			client.MinStallTimeout)
	}
	if err := c.access.check(); err != nil {
		return err
	}
	for _, name := range LocalSettings() {
		if !c.Local && c.flags.Changed(name) {
			return cli.Usagef("--%s needs --local; a server has its own settings", name)
		}
	}
	return nil
}

// Use calls work with a client of the server, with --timeout as its deadline. It explains errors that come from the
// connection.
func (c Connection) Use(ctx context.Context, p *cli.Program, work func(context.Context, *client.Client) error) error {
	if err := c.check(); err != nil {
		return err
	}
	if c.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.timeout)
		defer cancel()
	}
	err := c.useServer(ctx, p, work)
	if c.timeout > 0 && errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, client.ErrDeadlineTooShort) {
		return fmt.Errorf("not done within --timeout %s", c.timeout)
	}
	return err
}

func (c Connection) useServer(
	ctx context.Context, p *cli.Program, work func(context.Context, *client.Client) error,
) error {
	if c.Local {
		return useInside(ctx, p, c.flags, inMemory,
			func(ctx context.Context, local *client.Client, _ string) error { return work(ctx, local) })
	}
	target := client.DefaultTarget(c.server)
	if scheme, rest, ok := strings.Cut(target, "://"); ok && (scheme == "http" || scheme == "https") {
		return cli.Usagef("the server is %s: want host:port of its gRPC listener, such as %s, without %s://; --tls "+
			"encrypts", target, strings.TrimRight(rest, "/"), scheme)
	}
	options, err := c.access.options(target)
	if err != nil {
		return err
	}
	options = append(options, client.WithResume(), client.WithSplit(max(1, c.split)),
		client.WithStallTimeout(c.stall), client.WithRetry(client.RetryPolicy{Outage: c.retry}))
	if c.retry > 0 && !p.TerminalErr { // a bar would be disturbed
		options = append(options, client.WithLogger(NewLog(p.Stderr, "text", slog.LevelInfo)))
	}
	remote, err := client.New(target, append(options, p.Connect...)...)
	if err != nil {
		return err
	}
	defer remote.Close()
	return explain(work(ctx, remote), target, c.access.encrypts())
}

// explain adds to an error what to do if no server answers, and which request to look for in the server's log if the
// server failed. encrypted is whether this client encrypts.
func explain(err error, target string, encrypted bool) error {
	var failed *client.Error
	switch {
	case errors.Is(err, client.ErrUnreachable) && !encrypted && hungUp(lastCause(err)):
		return fmt.Errorf("the server at %s closes the connection at once: if it encrypts, add --tls or --ca FILE",
			target)
	case errors.Is(err, client.ErrUnreachable):
		return fmt.Errorf("no server answers at %s (%s): start one with \"langevin serve\", name another with "+
			"--server, or use --local",
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

// hungUp reports whether a cause says that the server took the connection and then closed it.
func hungUp(cause string) bool {
	return slices.Contains([]string{io.EOF.Error(), syscall.ECONNRESET.Error(), syscall.EPIPE.Error()}, cause)
}

// lastCause returns the end of a chain of causes: "connection refused".
func lastCause(err error) string {
	text := err.Error()
	return strings.Trim(text[strings.LastIndex(text, ": ")+1:], ` "`)
}

// ConnectionOf returns the connection that the given flags of a command describe, without --local and --timeout, for
// the completion in shells.
func ConnectionOf(given *pflag.FlagSet) Connection {
	var o Connection
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	o.Register(flags)
	given.Visit(func(f *pflag.Flag) {
		if flags.Lookup(f.Name) != nil {
			_ = flags.Set(f.Name, f.Value.String()) // a flag with that name and another meaning is left out
		}
	})
	o.Local, o.timeout = false, 0
	return o
}
