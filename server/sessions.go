package server

import (
	"context"
	"errors"
	"io/fs"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/ort"
	"github.com/langevin-ml/langevin/ort/proof"
	"github.com/langevin-ml/langevin/server/batch"
)

// sessions are the sessions of a model. Their results are equal to the last bit.
type sessions struct {
	narrow *ort.Session // with one thread; the workers share it
	wide   *ort.Session // with all cores, for a single chain; nil if it is not faster or not equal
}

// wideGain is the smallest speed-up (as a fraction of the time) for which a wide session is worth its memory.
const wideGain = 0.15

// prove proves the file of a model, unless it is part of this program, and returns the grain that the proof found.
func (s *Server) prove(ctx context.Context, file models.File) (grain int, err error) {
	if file.Origin == models.OriginEmbedded {
		return 0, nil
	}
	return s.prover.Prove(ctx, file.Graph, file.Manifest)
}

// openSessions opens the sessions of a model whose grain is known or 0. A wide session can pay off if the network does
// not pad a single row and its operators have enough work for several cores, so it is tried.
func (s *Server) openSessions(ctx context.Context, file models.File, grain int) (sessions, error) {
	options := ort.Options{
		Threads: 1, Device: s.device.String(), TF32: s.config.ONNXRuntime.TF32, Rules: s.config.rules(),
		Grain: grain,
	}
	session, err := s.runtime.Load(ctx, file.Graph, file.Manifest, options)
	if err != nil {
		return sessions{}, err
	}
	n := sessions{narrow: session}
	if s.workers == 1 || session.Grain() > 1 || options.Device != ort.DeviceCPU {
		return n, nil
	}
	options.Threads, options.Like = s.workers, session // which comes before the grain
	n.wide, err = s.runtime.Load(ctx, file.Graph, file.Manifest, options)
	switch {
	case errors.Is(err, ort.ErrUnlike):
		return n, nil
	case err != nil:
		return sessions{}, errors.Join(err, n.Close())
	}
	narrow, err := batch.Fastest(ctx, n.narrow.Model(), file.Manifest.Dim(), 1, float32(file.Manifest.Sigmas[0]))
	if err != nil {
		return sessions{}, errors.Join(err, n.Close())
	}
	wide, err := batch.Fastest(ctx, n.wide.Model(), file.Manifest.Dim(), 1, float32(file.Manifest.Sigmas[0]))
	if err != nil {
		return sessions{}, errors.Join(err, n.Close())
	}
	if wide.Seconds() > (1-wideGain)*narrow.Seconds() {
		err, n.wide = n.wide.Close(), nil
	}
	return n, err
}

// Close frees the sessions.
func (n sessions) Close() error {
	err := n.narrow.Close()
	if n.wide != nil {
		err = errors.Join(err, n.wide.Close())
	}
	return err
}

// rules returns what model files may contain.
func (c Config) rules() models.Rules {
	return models.Rules{MaxFileBytes: c.Models.MaxFileBytes, Operators: c.Models.AllowOperators}
}

// repository opens the models that c names. The caller has to close it.
func (c Config) repository() (*models.Repository, error) {
	var zoo fs.FS
	if c.Models.BuiltIn {
		zoo = models.Zoo()
	}
	return models.NewRepository(zoo, c.Models.Dir, c.rules())
}

func (c Config) limitsOfProofs() proof.Limits {
	return proof.Limits{Memory: c.Models.ProofMemory, Time: c.Models.ProofTime}
}

// prover returns a prover of model files.
func (c Config) prover(r *ort.Runtime) *proof.Prover {
	folder := ""
	if c.Models.KeepProofs {
		folder = proof.Folder()
	}
	return proof.New(r, c.rules(), c.limitsOfProofs(), folder)
}
