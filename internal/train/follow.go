package train

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/spf13/pflag"

	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/phrase"
	"github.com/langevin-ml/langevin/training"
	"github.com/langevin-ml/langevin/training/study"
)

// Serving prepares a server, so that what is wrong with its settings or its address shows before a training. An empty
// address or library means the default.
type Serving func(address, library string) (Serve, error)

// Serve serves a folder of models until ctx is cancelled, with one of them as the default.
type Serve func(ctx context.Context, folder, model string) error

// followFlags has the flags for what to do with a model while it is trained, and after.
type followFlags struct {
	watch bool
	serve serveValue
}

func (f *followFlags) register(flags *pflag.FlagSet) {
	flags.BoolVar(&f.watch, "watch", false, "draw samples some 20 times during the training, into "+
		"OUT/samples_NAME.png, which a viewer of pictures shows anew")
	flags.Var(&f.serve, "serve", "then serve the models in OUT, on `ADDR` if it is given, until Ctrl-C")
	flags.Lookup("serve").NoOptDefVal = serveDefault
}

// serveDefault is what the flag --serve is without an address.
const serveDefault = "default"

// serveValue is the value of a flag that may have an address.
type serveValue struct {
	on      bool
	address string // empty: the default
}

func (v *serveValue) Type() string { return "string" }

func (v *serveValue) String() string { return v.address }

func (v *serveValue) Set(text string) error {
	v.on, v.address = true, text
	if text == serveDefault {
		v.address = ""
	}
	return nil
}

// watched returns a configuration that draws samples some times.
func watched(c training.Config) training.Config {
	const times, samples, checkpoints = 20, 36, 2
	t := &c.Training
	if t.SnapshotSamples == 0 {
		t.SnapshotSamples = samples
	}
	if t.CheckpointEvery == 0 {
		t.Checkpoints = checkpoints
	}
	if every := max(1, t.Iterations/times); t.CheckpointEvery == 0 || t.CheckpointEvery > every {
		t.CheckpointEvery = every
	}
	return c
}

// snapshots returns what a training does with each of its snapshots.
func (f *followFlags) snapshots(
	p *cli.Program, c training.Config, folder, library string,
) func(context.Context, *training.Result) error {
	draw := study.Snapshots(folder, library, c.Training.SnapshotSamples)
	if !f.watch {
		return draw
	}
	newest := filepath.Join(folder, "samples_"+c.Name+".png")
	fmt.Fprintf(p.Stderr, "langevin: samples are drawn into %s after every %s iterations\n", newest,
		phrase.Grouped(int64(c.Training.CheckpointEvery)))
	return func(ctx context.Context, r *training.Result) error {
		if err := draw(ctx, r); err != nil {
			return err
		}
		return study.Newest(folder, r, newest)
	}
}
