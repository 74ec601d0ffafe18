// Package onnxruntime downloads the ONNX Runtime library that Langevin is tested with. onnxruntime.lock has the
// version, where to get it, and the SHA-256 of every file.
package onnxruntime
