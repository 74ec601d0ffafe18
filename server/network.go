package server

import (
	"context"
	"errors"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/server/ort"
)

// pointDim is the largest sample that is a point and not an image.
const pointDim = 64

// network is a model's sessions. Their results are the same to the last bit.
type network struct {
	session *ort.Session // one thread, which the workers share
	wide    *ort.Session // all cores, for a chain that is alone; nil where it would not be faster
}

// loadNetwork makes the sessions of a model. A wide one pays for networks that need not pad a row of its own: those whose
// every operator has enough to do for several cores.
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
	options.Threads = s.workers
	if n.wide, err = s.runtime.Load(ctx, file.Graph, file.Manifest, options); err != nil {
		return network{}, errors.Join(err, n.Close())
	}
	return n, nil
}

// Close frees the sessions.
func (n network) Close() error {
	err := n.session.Close()
	if n.wide != nil {
		err = errors.Join(err, n.wide.Close())
	}
	return err
}
