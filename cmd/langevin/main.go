// Langevin trains score models, serves them and samples them. Its commands are in the packages of internal.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/ort"
	"github.com/langevin-ml/langevin/server"
)

// version is set by make build.
var version string

func main() {
	if len(os.Args) > 1 && os.Args[1] == ort.ProbeCommand { // before anything that a child should not have
		if err := ort.RunProbe(os.Args[2:], os.Stdout); err != nil {
			os.Exit(cli.ExitFailed)
		}
		os.Exit(cli.ExitOK)
	}
	ort.AddProcessors()
	server.AddCompression()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program: it returns the exit code, and has told stderr in one line why it is not 0.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	p := cli.New(stdout, stderr)
	p.Version = version
	return execute(ctx, p, args)
}

func execute(ctx context.Context, p *cli.Program, args []string) int {
	return p.Run(ctx, root(p), args)
}
