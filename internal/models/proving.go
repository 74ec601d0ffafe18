package models

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/pflag"

	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/ort"
	"github.com/langevin-ml/langevin/ort/proof"
)

// proving has the flags of the commands that prove model files, as a server does before it opens them.
type proving struct {
	library string
	rules   models.Rules
	limits  proof.Limits
	prover  *proof.Prover // made at the first use
}

func (o *proving) register(flags *pflag.FlagSet) {
	cli.LibraryFlag(flags, &o.library)
	flags.StringSliceVar(&o.rules.Operators, "allow-operators", nil,
		"operators that a network may have though score networks do not need them, as Mod,Loop")
	flags.Int64Var(&o.rules.MaxFileBytes, "max-file-bytes", models.DefaultMaxFileBytes, "size of a model file")
	flags.Int64Var(&o.limits.Memory, "proof-memory", proof.DefaultMemory, "bytes of memory for the proof of a file")
	flags.DurationVar(&o.limits.Time, "proof-time", proof.DefaultTime, "processor time for the proof of a file")
}

// check returns an error for a flag that is out of range.
func (o *proving) check() error {
	if err := o.rules.Validate(); err != nil {
		return cli.Usagef("%v", err)
	}
	if o.limits.Memory < proof.LeastMemory {
		return cli.Usagef("--proof-memory is %d: want at least %d", o.limits.Memory, proof.LeastMemory)
	}
	if o.limits.Time < time.Second {
		return cli.Usagef("--proof-time is %v: want at least 1s", o.limits.Time)
	}
	return nil
}

// open proves a model file and opens it.
func (o *proving) open(ctx context.Context, file []byte, m models.Manifest) (*ort.Session, error) {
	if o.prover == nil {
		runtime, err := ort.OpenFound(o.library)
		if err != nil {
			return nil, err
		}
		o.prover = proof.New(runtime, o.rules, o.limits, "")
	}
	return o.prover.Load(ctx, file, m, ort.Options{})
}

// scoreScale proves a model file and returns its [ort.ScoreScale].
func (o *proving) scoreScale(ctx context.Context, file []byte, m models.Manifest) (scale float64, err error) {
	session, err := o.open(ctx, file, m)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, session.Close()) }()
	return ort.ScoreScale(ctx, session.Model(), m)
}
