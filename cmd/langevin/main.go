// Langevin trains score models, serves them and samples them. Its commands are in the files of the same names:
// serve, sample, models, train, schedule, demo, bench and version.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

const unknown = "unknown"

// version is set by the build.
var version = unknown

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}
