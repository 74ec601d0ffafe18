package main

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/ort"
	"github.com/langevin-ml/langevin/ort/proof/prooftest"
)

// TestMain lets this program be its own child, as main does.
func TestMain(m *testing.M) {
	ort.ExitAfterProbe()
	if len(os.Args) > 2 && os.Args[1] == withFileLimit {
		if err := limitFiles(); err != nil {
			os.Exit(cli.ExitFailed)
		}
		main()
	}
	if len(os.Args) > 1 && os.Args[1] == asProgram {
		os.Args = append(os.Args[:1], os.Args[2:]...)
		main()
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(prooftest.Start()))
}
