// Package testmain has what the attacks on a server have in common: seeds, and a test program that can be the server.
package testmain

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/goleak"

	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/ort"
	"github.com/langevin-ml/langevin/ort/proof/prooftest"
	"github.com/langevin-ml/langevin/server"
)

// Seed returns the seed of a test and prints it: the given one or, if that is 0, 1, and in the long form one for each
// run.
func Seed(t *testing.T, given uint64, long bool) uint64 {
	t.Helper()
	s := given
	if s == 0 {
		s = 1
		if long {
			s = uint64(time.Now().UnixNano() % 1_000_000)
		}
	}
	t.Logf("seed %d: repeat with -run '^%s$' -args -seed %d", s, t.Name(), s)
	return s
}

// Main is the TestMain of an attack. It lets the program serve, with the given command, and be the child of its own
// server, as the main of langevin does.
func Main(m *testing.M, serve func(*cli.Program) *cobra.Command) {
	ort.ExitAfterProbe()
	if len(os.Args) > 1 && os.Args[1] == "serve" {
		server.AddCompression()
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		context.AfterFunc(ctx, stop)
		p := cli.New(os.Stdout, os.Stderr)
		os.Exit(p.Run(ctx, serve(p), os.Args[2:]))
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(prooftest.Start()))
}
