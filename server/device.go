package server

import (
	"context"
	"log/slog"
	"runtime"

	"github.com/langevin-ml/langevin/ort"
	"github.com/langevin-ml/langevin/server/batch"
)

// findDevice finds out what the setting device means on this machine, and tells the log.
func findDevice(setting, library string, log *slog.Logger) (ort.Found, error) {
	found, err := ort.FindDevice(context.Background(), library, setting)
	if found.Fallback != nil {
		log.Warn("device auto: no GPU can be used, so networks run on the CPU", "reason", found.Fallback)
		return found, nil
	}
	logChecks(log, found.Checks)
	return found, err
}

func logChecks(log *slog.Logger, checks []ort.Check) {
	for _, c := range checks {
		log.Info("device check", "check", c.Name, "ok", c.OK, "found", c.Detail)
	}
}

// cudaHealth is the health service's name of the device asked for, when that was left open: device/cuda serves if a GPU is
// used.
const cudaHealth = "device/cuda"

// workersCUDA is how many workers keep a GPU busy: while one draws noise and takes its chains' step on a core, the network
// runs for the others. What a step costs the host beside the network's time is in docs/design.md.
const workersCUDA = 4

// Workers is how many evaluations run at once unless the configuration says: one for each CPU, on a GPU a few.
func Workers(d ort.Device) int {
	if d.CUDA {
		return min(workersCUDA, runtime.NumCPU())
	}
	return runtime.NumCPU()
}

// Blocks is how a server's scheduler with so many workers, at least 1, divides the chains of a model among them: the fields
// of its configuration that depend on the device and the network, for those too who measure what a server runs. wide is the
// same model on all cores, or nil.
func Blocks(d ort.Device, workers, dim int, session, wide *ort.Session) batch.Config {
	c := batch.Config{Workers: workers, Rows: blockRows(d, dim)}
	switch {
	case d.CUDA:
		c.Grain = grainCUDA(dim)
	case dim > ort.PointDim: // as few as can be evaluated, since images take long; points share a tick's fixed cost among more
		c.Grain = session.Grain()
	}
	if wide != nil && workers > 1 {
		c.Wide = wide
	}
	return c
}

// grainCUDA is how many chains of so many elements a GPU evaluates in hardly more time than one: fewer are not worth dividing.
func grainCUDA(dim int) int {
	switch {
	case dim <= 256:
		return 1024
	case dim <= 4096:
		return 32
	}
	return 16
}

// blockRows is how many chains of so many elements a worker advances together: on a CPU enough to fill the cores' vector
// units, few enough to stay in their caches and to keep ticks short; on a GPU enough to keep it busy.
func blockRows(d ort.Device, dim int) int {
	switch {
	case d.CUDA && dim <= 256:
		return 4096
	case d.CUDA && dim <= 4096:
		return 256
	case d.CUDA:
		return 64
	case dim <= ort.PointDim:
		return 256
	case dim <= 16<<10:
		return 32
	}
	return 16
}
