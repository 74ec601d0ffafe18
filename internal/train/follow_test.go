package train

import (
	"testing"

	"github.com/spf13/pflag"

	"github.com/langevin-ml/langevin/training"
)

// TestWatched: --watch draws some twenty times, keeps few checkpoints where none were asked for, and keeps settings
// that draw more often.
func TestWatched(t *testing.T) {
	for name, c := range map[string]struct{ is, want training.Training }{
		"no checkpoints": {training.Training{Iterations: 3000},
			training.Training{Iterations: 3000, CheckpointEvery: 150, Checkpoints: 2, SnapshotSamples: 36}},
		"rare ones": {training.Training{Iterations: 3000, CheckpointEvery: 1000, Checkpoints: 5},
			training.Training{Iterations: 3000, CheckpointEvery: 150, Checkpoints: 5, SnapshotSamples: 36}},
		"frequent ones": {training.Training{Iterations: 3000, CheckpointEvery: 10, SnapshotSamples: 4},
			training.Training{Iterations: 3000, CheckpointEvery: 10, SnapshotSamples: 4}},
		"few iterations": {training.Training{Iterations: 7},
			training.Training{Iterations: 7, CheckpointEvery: 1, Checkpoints: 2, SnapshotSamples: 36}},
	} {
		if got := watched(training.Config{Training: c.is}).Training; got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

// TestServeFlag: --serve needs no address.
func TestServeFlag(t *testing.T) {
	for line, want := range map[string]serveValue{
		"": {}, "--serve": {on: true}, "--serve=:7000": {on: true, address: ":7000"},
	} {
		var f followFlags
		flags := pflag.NewFlagSet("", pflag.ContinueOnError)
		f.register(flags)
		var args []string
		if line != "" {
			args = []string{line}
		}
		if err := flags.Parse(args); err != nil || f.serve != want {
			t.Errorf("%q: %+v, %v", line, f.serve, err)
		}
	}
}
