// Package survival_test checks that calls of the client survive their servers: three replicas that are killed, frozen,
// cut off, restarted and updated at random while calls run.
package survival_test

import (
	"flag"
	"testing"

	"github.com/langevin-ml/langevin/internal/serve"
	"github.com/langevin-ml/langevin/robustness/testmain"
)

var (
	long    = flag.Bool("long", false, "the long form, with figures; see make robustness")
	seed    = flag.Uint64("seed", 0, "seed of the calls and of the faults; 0: 1, and in the long form one for each run")
	program = flag.String("langevin", "", "the program to attack; empty: this one, which can serve too")
	calls   = flag.Int("calls", 200, "calls of the long form")
)

func TestMain(m *testing.M) { testmain.Main(m, serve.Command) }
