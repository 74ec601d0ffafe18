package robustness_test

import (
	"flag"
	"testing"

	"github.com/langevin-ml/langevin/internal/serve"
	"github.com/langevin-ml/langevin/robustness/testmain"
)

var (
	long    = flag.Bool("long", false, "the long form, with figures; see make robustness")
	seed    = flag.Uint64("seed", 0, "seed of traffic and faults; 0: 1, and in the long form one for each run")
	program = flag.String("langevin", "", "the program to attack; empty: this one, which can serve too")
)

// inLongForm skips a test whose figures need minutes.
func inLongForm(t *testing.T) {
	t.Helper()
	if !*long {
		t.Skip("in the long form only: make robustness")
	}
}

func TestMain(m *testing.M) { testmain.Main(m, serve.Command) }
