package server

import (
	"log/slog"
	"runtime/debug"
	"testing"
)

// TestLimitMemory: the setting comes before GOMEMLIMIT, and that before the machine.
func TestLimitMemory(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	old := debug.SetMemoryLimit(1 << 40)
	defer debug.SetMemoryLimit(old)
	limited := func(setting int64) int64 {
		c := Default()
		c.Limits.Memory = setting
		defer LimitMemory(c, log)()
		return debug.SetMemoryLimit(-1)
	}
	t.Setenv("GOMEMLIMIT", "")
	if got := limited(1 << 30); got != 1<<30 {
		t.Errorf("limits.memory of 1 GiB gives %d", got)
	}
	if got := limited(0); got < leastMemory || got >= 1<<40 {
		t.Errorf("without a setting the limit is %d", got)
	}
	t.Setenv("GOMEMLIMIT", "1TiB") // Go has read it already
	if got := limited(0); got != 1<<40 {
		t.Errorf("with GOMEMLIMIT the limit becomes %d", got)
	}
	if got := limited(1 << 30); got != 1<<30 {
		t.Errorf("limits.memory next to GOMEMLIMIT gives %d", got)
	}
	if got := debug.SetMemoryLimit(-1); got != 1<<40 {
		t.Errorf("afterwards the limit is %d", got)
	}
}

func TestBurstEnded(t *testing.T) {
	const mb = 1 << 20
	for _, c := range []struct {
		given, last, now uint64
		want             bool
	}{
		{0, 0, 0, false}, {0, 60 * mb, 60 * mb, false}, {0, 70 * mb, 70 * mb, true}, {0, 70 * mb, 90 * mb, false},
		{70 * mb, 70 * mb, 71 * mb, false},
	} {
		if got := burstEnded(c.given, c.last, c.now); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}
