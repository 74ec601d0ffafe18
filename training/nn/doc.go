// Package nn has networks that are written once and read three times.
//
// A network is a function of a [Builder] and the two inputs of every score network, x and sigma. [Build] runs it and
// keeps what it records: a [Graph] of a few operations with known shapes. A classifier of images is the exception: it
// has the input x only, and [BuildClassifier] records it. Three interpreters read a graph:
//
//   - [Graph.GoMLX] builds it inside a GoMLX computation, which differentiates and trains it;
//   - [Graph.ONNX] writes it as an ONNX model, one node for each operation wherever ONNX has one;
//   - [Graph.Evaluate] computes it in plain float64 Go, slowly: the second implementation that tests compare with.
//
// The parameters of a graph are one flat vector of float32, in the order in which they were recorded. So an
// optimiser, a moving average or a checkpoint deals with one slice whatever the network is.
//
// Tensors are row-major; the first axis of inputs and activations is the batch, and images are channels first (NCHW). A
// [Config] chooses a score network by its name. To add a network, write it and its kind in a file of its own and give
// it a row of the table. To add an operation: give it an [Op], a Builder method that infers its shape, and a case in
// each interpreter. A test fails for as long as one of them is missing.
package nn
