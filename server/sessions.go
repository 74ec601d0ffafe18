package server

import (
	"context"
	"errors"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/ort"
	"github.com/langevin-ml/langevin/server/batch"
)

// network is a model's sessions. Their results are the same to the last bit.
type network struct {
	session *ort.Session // one thread, which the workers share
	wide    *ort.Session // all cores, for a chain that is alone; nil where that is not faster, or not the same
}

// wideGain is what a wide session has to take less of the time of the other, to be worth its memory.
const wideGain = 0.15

// loadNetwork makes the sessions of a model. A wide one can pay for networks that need not pad a row of its own, if their
// operators have enough to do for several cores: a trial tells.
func (s *Server) loadNetwork(ctx context.Context, file models.File) (network, error) {
	options := ort.Options{Threads: 1, Device: s.device.String(), TF32: s.config.ONNXRuntime.TF32}
	session, err := s.runtime.Load(ctx, file.Graph, file.Manifest, options)
	if err != nil {
		return network{}, err
	}
	n := network{session: session}
	if s.workers == 1 || session.Grain() > 1 || options.Device != ort.DeviceCPU {
		return n, nil
	}
	options.Threads, options.Like = s.workers, session
	n.wide, err = s.runtime.Load(ctx, file.Graph, file.Manifest, options)
	switch {
	case errors.Is(err, ort.ErrUnlike):
		return n, nil
	case err != nil:
		return network{}, errors.Join(err, n.Close())
	}
	alone, err := batch.Fastest(ctx, n.session, file.Manifest.Dim(), 1, float32(file.Manifest.Sigmas[0]))
	if err != nil {
		return network{}, errors.Join(err, n.Close())
	}
	together, err := batch.Fastest(ctx, n.wide, file.Manifest.Dim(), 1, float32(file.Manifest.Sigmas[0]))
	if err != nil {
		return network{}, errors.Join(err, n.Close())
	}
	if together.Seconds() > (1-wideGain)*alone.Seconds() {
		err, n.wide = n.wide.Close(), nil
	}
	return n, err
}

// Close frees the sessions.
func (n network) Close() error {
	err := n.session.Close()
	if n.wide != nil {
		err = errors.Join(err, n.wide.Close())
	}
	return err
}
