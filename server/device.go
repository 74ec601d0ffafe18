package server

import (
	"context"
	"log/slog"

	"github.com/langevin-ml/langevin/internal/processors"
	"github.com/langevin-ml/langevin/ort"
	"github.com/langevin-ml/langevin/server/batch"
)

// findDevice finds the device that the setting means on this machine, and logs it.
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

// cudaHealth is a name of the health service if the device is auto. It serves if a GPU is used.
const cudaHealth = "device/cuda"

// workersCUDA is the number of workers that keep a GPU busy. While one worker draws noise and advances its chains on a
// core, the network runs for the others. docs/design.md compares the cost of a step on the host with the network's
// time.
const workersCUDA = 4

// Workers returns the default number of evaluations that run at once: one for each CPU, or a few on a GPU.
func Workers(d ort.Device) int {
	if d.CUDA {
		return min(workersCUDA, processors.Count())
	}
	return processors.Count()
}

// Blocks returns the scheduler settings that depend on the device and the network: block size, grain and the wide
// session. workers must be at least 1. wide is the same model on all cores, or nil. Benchmarks use Blocks to run what a
// server would run.
func Blocks(d ort.Device, workers, dim int, session, wide *ort.Session) batch.Config {
	c := batch.Config{Workers: workers, Rows: blockRows(d, dim)}
	switch {
	case d.CUDA:
		c.Grain = grainCUDA(dim)
	case dim > ort.PointDim:
		// Images take long, so a worker gets as few as the session can evaluate. Points keep the default grain, because
		// more of them share the fixed cost of a tick.
		c.Grain = session.Grain()
	}
	if wide != nil && workers > 1 {
		c.Wide = wide.Model()
	}
	return c
}

// grainCUDA returns the number of chains of dim elements that a GPU evaluates in hardly more time than one. Smaller
// groups are not worth a worker.
func grainCUDA(dim int) int {
	switch {
	case dim <= 256:
		return 1024
	case dim <= 4096:
		return 32
	}
	return 16
}

// blockRows returns the number of chains of dim elements that a worker advances together. On a CPU they fill the vector
// units, stay in the cache and keep ticks short. On a GPU they keep it busy.
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
