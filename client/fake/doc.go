// Package fake is a Langevin server in memory, for tests of programs that use package client. It speaks the real
// protocol over an in-memory connection and answers what the test specifies: no ONNX Runtime, no port, no model.
//
//	server := fake.New(fake.Script{Sample: fake.Samples([]int{2}, func(chain uint64) []float32 { ... })})
//	defer server.Close()
//	c, err := server.Client()
package fake
