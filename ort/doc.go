// Package ort runs score networks, and the steps that train them, on ONNX Runtime. It is the only package that uses
// cgo, and the only one that knows the library.
//
// A process has one [Runtime]. A model loaded into it is a [Session], which is a [sampling.Model]. Every result is a
// pure function of the row, the model file and [Session.Identity]. It does not depend on the other rows of the batch or
// on the number of threads. ONNX Runtime does not promise this. It holds on one type of CPU, because the rows of graphs
// with matrix products are padded to a multiple of 4 or of 16. A trial at loading decides between them, so that no
// vector kernel has a remainder that changes results. The tests of this package compare the bits.
package ort
