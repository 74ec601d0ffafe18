package ort

/*
#include <stdlib.h>
*/
import "C"

import (
	"fmt"
	"unsafe"
)

// alignment in bytes of a buffer. Vector kernels treat the elements before the first aligned one separately, so without
// it results would depend on the address.
const alignment = 64

// buffer is memory outside the Go heap. ONNX Runtime keeps its address between calls, which is not allowed for Go
// memory.
type buffer[T float32 | int64] []T

// newBuffer returns a buffer of n zeros; n is at least 1. It panics if there is no memory, as make does.
func newBuffer[T float32 | int64](n int) buffer[T] {
	size := uintptr(n) * unsafe.Sizeof(T(0))
	size = (size + alignment - 1) / alignment * alignment // aligned_alloc requires it
	p := C.aligned_alloc(alignment, C.size_t(size))
	if p == nil {
		panic(fmt.Sprintf("ort: no memory for %d bytes", size))
	}
	b := unsafe.Slice((*T)(p), n)
	clear(b)
	return b
}

// free sets the buffer to nil, so that a later use cannot touch the memory.
func (b *buffer[T]) free() {
	C.free(unsafe.Pointer(unsafe.SliceData(*b)))
	*b = nil
}
