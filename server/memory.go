package server

import (
	"context"
	"log/slog"
	"math"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"github.com/langevin-ml/langevin/internal/memory"
)

// leastMemory is the least memory limit, in bytes. Under a smaller one the server would do little but collect garbage.
const leastMemory = 64 << 20

// LimitMemory gives the process the memory limit of c, and logs it. Unless c has one, it is the one of GOMEMLIMIT, or
// else 80% of what the machine or its container has: the rest is for ONNX Runtime, which Go's limit does not count. The
// limit is soft. Garbage is collected harder as the process comes near to it, and it is exceeded if what is in use
// needs more. undo restores the limit before.
func LimitMemory(c Config, log *slog.Logger) (undo func()) {
	limit, from := c.Limits.Memory, "limits.memory"
	if total, ok := memory.Total(); limit == 0 && ok {
		limit, from = max(leastMemory, int64(min(total, math.MaxInt64)/5*4)), "the machine or its container"
	}
	if (c.Limits.Memory == 0 && os.Getenv("GOMEMLIMIT") != "") || limit == 0 {
		log.Debug("memory limit", "bytes", debug.SetMemoryLimit(-1), "of", "GOMEMLIMIT")
		return func() {}
	}
	log.Debug("memory limit", "bytes", limit, "of", from)
	before := debug.SetMemoryLimit(limit)
	return func() { debug.SetMemoryLimit(before) }
}

// memoryEvery is how often a server looks whether it can give memory back to the system.
const memoryEvery = 5 * time.Second

// giveBackMemory gives memory back after each burst, until ctx is done. Go itself would keep it until its next
// collection, which without work comes after two minutes, and then return it over minutes.
func (s *Server) giveBackMemory(ctx context.Context) {
	tick := time.NewTicker(memoryEvery)
	defer tick.Stop()
	last := allocated()
	given := last
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := allocated()
		if burstEnded(given, last, now) {
			before := held()
			debug.FreeOSMemory()
			s.log.Debug("gave memory back", "bytes", int64(before)-int64(held()))
			now = allocated()
			given = now
		}
		last = now
	}
}

// burstEnded reports whether much was allocated since memory was given back, and hardly anything since the last look.
// The arguments are numbers of bytes allocated since the process began.
func burstEnded(given, last, now uint64) bool {
	const much, idle = 64 << 20, 8 << 20
	return now-given > much && now-last < idle
}

// allocated returns the number of bytes that were allocated since the process began.
func allocated() uint64 { return readMetric("/gc/heap/allocs:bytes") }

// held returns the number of bytes of the system's memory that Go holds.
func held() uint64 {
	return readMetric("/memory/classes/total:bytes") - readMetric("/memory/classes/heap/released:bytes")
}

func readMetric(name string) uint64 {
	sample := []metrics.Sample{{Name: name}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
