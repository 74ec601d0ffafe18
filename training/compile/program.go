package compile

import (
	"errors"
	"fmt"

	"github.com/gomlx/compute"
	onnxbackend "github.com/gomlx/compute-onnx"
	"github.com/gomlx/compute-onnx/support/protos"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/support/exceptions"
	"google.golang.org/protobuf/proto"
)

// Program compiles f, a function of float32 tensors of the given shapes, to the bytes of an ONNX model for LoadProgram
// of package ort. Its convolutions have block channels in a block; 0 means no blocks. backend comes from [NewBackend].
//
// GoMLX can run what it builds itself, and does so on a GPU. On a CPU it sets no number of threads, convolves slowly,
// see [blockConvolutions], and copies every tensor at each call.
//
// GoMLX panics at a mistake in f; Program returns it as an error.
func Program(
	backend compute.Backend, name string, block int, inputs [][]int, f func([]*graph.Node) []*graph.Node,
) ([]byte, error) {
	model, convolutions, err := buildONNX(backend, name, inputs, f)
	if err != nil {
		return nil, fmt.Errorf("compile %s: %w", name, err)
	}
	blockConvolutions(model, convolutions, block)
	return proto.Marshal(model)
}

// buildONNX returns f in the form that GoMLX's backend writes for ONNX Runtime, and the shapes of its convolutions.
func buildONNX(
	backend compute.Backend, name string, inputs [][]int, f func([]*graph.Node) []*graph.Node,
) (model *protos.ModelProto, convolutions map[string]convolution, err error) {
	g := graph.NewGraph(backend, name)
	defer g.Finalize()
	failed := exceptions.TryCatch[error](func() {
		parameters := make([]*graph.Node, len(inputs))
		for i, shape := range inputs {
			parameters[i] = graph.Parameter(g, fmt.Sprintf("in%d", i), shapes.Make(dtypes.Float32, shape...))
		}
		err = g.Compile(f(parameters)...)
	})
	if err := errors.Join(failed, err); err != nil {
		return nil, nil, err
	}
	compiled, ok := g.Executable().(ownExecutable)
	if !ok {
		return nil, nil, errors.New("the backend does not come from NewBackend")
	}
	written, ok := compiled.Executable.(*onnxbackend.Executable)
	if !ok || written.ModelProto() == nil {
		return nil, nil, errors.New("the backend is not ONNX Runtime's")
	}
	return written.ModelProto(), compiled.convolutions, nil
}
