// Langevin trains score models, serves them and samples them. Package main only
// registers the commands, which are packages of internal.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/processors"
	"github.com/langevin-ml/langevin/ort"
	"github.com/langevin-ml/langevin/ort/proof"
	"github.com/langevin-ml/langevin/server"
)

// version and commit are set by make build.
var version, commit string

func main() {
	if proof.Child() {
		os.Exit(proof.RunChild())
	}
	ort.ExitAfterProbe() // first, since a child needs nothing of what follows
	processors.Multiply()
	server.AddCompression()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program. It returns the exit code. If that is not 0, it has written the reason to stderr, in one line.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	p := cli.New(stdout, stderr)
	p.Version, p.Commit = version, commit
	return execute(ctx, p, args)
}

// execute runs the command that args name.
func execute(ctx context.Context, p *cli.Program, args []string) int {
	return p.Run(ctx, root(p), args)
}
