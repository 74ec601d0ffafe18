// Package processors finds out how many processors this process may use.
package processors

import (
	"math"
	"runtime"
	"sync"

	"go.uber.org/automaxprocs/maxprocs"
)

// Count returns the number of processors that this process may use: those of the machine that it may run on or, if it
// is less, the limit of its container, as control groups set it, rounded up. The environment variable GOMAXPROCS sets
// another number. The result never changes.
func Count() int { return count() }

// count asks once, because Multiply changes what it asks for.
var count = sync.OnceValue(func() int {
	ceil := func(limit float64) int { return int(math.Ceil(limit)) }
	// Go's own count is at least 2 under any limit.
	undo, err := maxprocs.Set(maxprocs.Min(1), maxprocs.RoundQuotaFunc(ceil))
	if err != nil { // no control groups that it understands
		return runtime.GOMAXPROCS(0)
	}
	defer undo()
	return runtime.GOMAXPROCS(0)
})

// Multiply sets GOMAXPROCS to four times Count. A worker spends its time inside ONNX Runtime, where Go takes its
// processor away after 20 µs. When the worker returns it needs a free processor, and it waits if there are only as many
// as CPUs. On 2 CPUs the larger value gives the toy networks a third more samples per second, and as much more
// training. A program's main calls it once, before it serves or trains.
func Multiply() { runtime.GOMAXPROCS(4 * Count()) }
