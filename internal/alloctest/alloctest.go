// Package alloctest has tests bound how much memory a reader of foreign bytes takes.
package alloctest

import (
	"runtime"
	"testing"
)

// slack is the memory that a reader may take for any input, in bytes: buffers, tables, and what other goroutines take.
const slack = 16 << 20

// Bounded calls read with input. It fails the test if read allocates more than factor times the input, and 16 MiB.
func Bounded(t testing.TB, input []byte, factor int, read func([]byte)) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	read(input)
	runtime.ReadMemStats(&after)
	if took, most := after.TotalAlloc-before.TotalAlloc, uint64(factor*len(input)+slack); took > most {
		t.Errorf("%d bytes of input took %d bytes of memory: want at most %d", len(input), took, most)
	}
}
