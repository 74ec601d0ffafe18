package ort

import "runtime"

// AddProcessors sets GOMAXPROCS to four times its value. A worker spends its time inside ONNX Runtime, where Go takes
// its processor away after 20 µs. When the worker returns it needs a free processor, and it waits if there are only as
// many as CPUs. On 2 CPUs the larger value gives the toy networks a third more samples per second, and as much more
// training. A program's main calls it once, before it serves or trains. runtime.NumCPU still returns the number of
// cores.
func AddProcessors() { runtime.GOMAXPROCS(4 * runtime.GOMAXPROCS(0)) }
