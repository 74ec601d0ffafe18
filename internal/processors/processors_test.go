package processors

import (
	"runtime"
	"testing"
)

// TestCount: neither a change of GOMAXPROCS nor Multiply changes the count. It is never above the machine's.
func TestCount(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(before)
	n := Count()
	if n < 1 || n > runtime.NumCPU() {
		t.Errorf("%d processors: want 1 to %d", n, runtime.NumCPU())
	}
	if after := runtime.GOMAXPROCS(0); after != before {
		t.Errorf("counting left GOMAXPROCS at %d: want %d", after, before)
	}
	Multiply()
	if got := runtime.GOMAXPROCS(0); got != 4*n || Count() != n {
		t.Errorf("GOMAXPROCS is %d and the count %d: want %d and %d", got, Count(), 4*n, n)
	}
}
