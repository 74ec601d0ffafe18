// Package ort runs score networks, and the steps that train them, on ONNX Runtime. It is the only package that uses cgo,
// and the only one that knows of the library.
//
// A process has one [Runtime]; a model loaded into it is a [Session], which is a [sampling.Model]. Every result is a pure
// function of the row, of the model file and of [Session.Identity]: not of the batch that the row rides in, nor of the
// number of threads. ONNX Runtime does not promise this. It holds, on one type of CPU, because the rows of graphs with
// matrix products are padded, to a multiple of 4 or of 16 as a trial at loading shows, so that no vector kernel meets a
// remainder that matters; the tests of this package compare the bits.
package ort
