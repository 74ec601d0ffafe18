// Package prooftest prepares the programs of tests that start servers.
package prooftest

import (
	"errors"
	"os"

	"github.com/langevin-ml/langevin/ort/proof"
)

// Start belongs into a TestMain, before the tests. A program that was started for a proof does that and exits. Other
// programs get a cache folder of their own, so that they prove a file once and the user's verdicts stay as they are.
// The function that Start returns removes the folder and exits with the given code.
func Start() (exit func(code int)) {
	if proof.Child() {
		os.Exit(proof.RunChild())
	}
	cache, err := os.MkdirTemp("", "langevin-cache-")
	if err = errors.Join(err, os.Setenv("XDG_CACHE_HOME", cache)); err != nil {
		panic(err)
	}
	return func(code int) {
		if os.RemoveAll(cache) != nil {
			code = max(code, 1)
		}
		os.Exit(code)
	}
}
