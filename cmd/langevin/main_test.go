package main

import (
	"errors"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/ort"
	"github.com/langevin-ml/langevin/ort/proof"
)

// TestMain lets this program be its own child, as main does.
func TestMain(m *testing.M) {
	if proof.Child() {
		os.Exit(proof.RunChild())
	}
	if len(os.Args) > 1 && os.Args[1] == ort.ProbeCommand {
		if err := ort.RunProbe(os.Args[2:], os.Stdout); err != nil {
			os.Exit(cli.ExitFailed)
		}
		os.Exit(cli.ExitOK)
	}
	if len(os.Args) > 1 && os.Args[1] == asProgram {
		os.Args = append(os.Args[:1], os.Args[2:]...)
		main()
	}
	cache, err := os.MkdirTemp("", "langevin-cache-") // so that the same file is proved once, and this user's stays
	if err = errors.Join(err, os.Setenv("XDG_CACHE_HOME", cache)); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		os.RemoveAll(cache)
		os.Exit(code)
	}))
}
