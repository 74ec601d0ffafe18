// Package compile turns GoMLX computations into programs for ONNX Runtime.
//
// [NewBackend] wraps GoMLX's backend for ONNX Runtime and does some operations in faster ways. [Program] builds a
// function with it and returns the bytes of an ONNX model, which package ort loads and runs without a copy of any
// tensor. Package learner trains on such programs.
package compile
