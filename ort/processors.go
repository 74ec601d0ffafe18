package ort

import "runtime"

// AddProcessors makes GOMAXPROCS four times what it was. A worker spends its time inside ONNX Runtime, where Go takes its
// processor away after 20 µs; when it comes back it has to find a free one, and with no more of them than CPUs it waits.
// On 2 CPUs this is worth a third of the samples a second of the toy networks, and as much of their training. It is for a
// program's main to call, once, before it serves or trains. How many cores there are says runtime.NumCPU.
func AddProcessors() { runtime.GOMAXPROCS(4 * runtime.GOMAXPROCS(0)) }
