// Langevin trains score models, serves them and samples them. Its commands are in the files of the same names:
// serve, sample, models, train, eval, reproduce, schedule, demo, bench and version.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/langevin-ml/langevin/ort"
	"github.com/langevin-ml/langevin/server"
)

const unknown = "unknown"

// version is set by make build. Where it is not, [builtFrom] finds out.
var version string

func main() {
	if len(os.Args) > 1 && os.Args[1] == ort.ProbeCommand { // before anything that a child should not have
		if err := ort.RunProbe(os.Args[2:], os.Stdout); err != nil {
			os.Exit(exitFailed)
		}
		os.Exit(exitOK)
	}
	ort.AddProcessors()
	server.AddCompression()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}
