// Package nn has networks that are written once and read by three interpreters.
//
// A network is a function of a [Builder] and the two inputs of every score network, x and sigma. [Build] calls this
// function and records a [Graph] of a few operations with known shapes. A classifier of images is the exception: it has
// only the input x, and [BuildClassifier] records it. These are the interpreters:
//
//   - [Graph.GoMLX] builds the graph in a GoMLX computation, which differentiates and trains it.
//   - [Graph.ONNX] writes it as an ONNX model, with one node for each operation that ONNX has.
//   - [Graph.Evaluate] computes it in plain float64 Go. It is slow, and is the reference for tests.
//
// The parameters of a graph are one flat vector of float32, in the order in which they were recorded. So an optimizer,
// a moving average or a checkpoint handles one slice for every network.
//
// Tensors are row-major. The first axis of inputs and activations is the batch, and images are channels first (NCHW). A
// [Config] chooses a score network by name.
//
// To add a network, write it and its kind in a new file, and add a row to the table. To add an operation, write an
// [Op], a Builder method that infers its shape, and a case in each interpreter. A test fails while one of them is
// missing.
package nn
