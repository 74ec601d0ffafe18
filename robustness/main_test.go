package robustness_test

import (
	"context"
	"flag"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/serve"
	"github.com/langevin-ml/langevin/ort"
	"github.com/langevin-ml/langevin/ort/proof/prooftest"
	"github.com/langevin-ml/langevin/server"
)

var (
	long    = flag.Bool("long", false, "the long form, with figures; see make robustness")
	seed    = flag.Uint64("seed", 0, "seed of traffic and faults; 0: 1, and in the long form one for each run")
	program = flag.String("langevin", "", "the program to attack; empty: this one, which can serve too")
)

// seedOf returns the seed of a test and prints it.
func seedOf(t *testing.T) uint64 {
	t.Helper()
	s := *seed
	if s == 0 {
		s = 1
		if *long {
			s = uint64(time.Now().UnixNano() % 1_000_000)
		}
	}
	t.Logf("seed %d: repeat with -run '^%s$' -args -seed %d", s, t.Name(), s)
	return s
}

// inLongForm skips a test whose figures need minutes.
func inLongForm(t *testing.T) {
	t.Helper()
	if !*long {
		t.Skip("in the long form only: make robustness")
	}
}

// TestMain lets this program serve, and be the child of its own server, as main does.
func TestMain(m *testing.M) {
	switch {
	case len(os.Args) > 1 && os.Args[1] == ort.ProbeCommand:
		if err := ort.RunProbe(os.Args[2:], os.Stdout); err != nil {
			os.Exit(cli.ExitFailed)
		}
		os.Exit(cli.ExitOK)
	case len(os.Args) > 1 && os.Args[1] == "serve":
		server.AddCompression()
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		context.AfterFunc(ctx, stop)
		p := cli.New(os.Stdout, os.Stderr)
		os.Exit(p.Run(ctx, serve.Command(p), os.Args[2:]))
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(prooftest.Start()))
}
