package compile

import (
	"github.com/gomlx/compute"
	onnxbackend "github.com/gomlx/compute-onnx"
	"github.com/gomlx/compute/shapes"
)

// NewBackend wraps backend, which must be ONNX Runtime's, and computes some operations faster: the gradients of
// kernels, see [ownFunction.ConvGeneral], broadcasts, see [small], transposed and reshaped matrices, see [matrix], and
// sums with zero, see [ownFunction.Sub]. It also records what [Program] needs. It passes everything else to backend.
// The caller closes backend.
func NewBackend(backend compute.Backend) compute.Backend {
	if b, ok := backend.(*onnxbackend.Backend); ok {
		b.SetKeepModelProto(true) // for Program
	}
	return ownBackend{backend}
}

type ownBackend struct{ compute.Backend }

func (b ownBackend) Builder(name string) compute.Builder {
	return ownBuilder{b.Backend.Builder(name), b, map[string]convolution{}}
}

func (b ownBackend) BufferFromFlatData(device compute.DeviceNum, flat any, shape shapes.Shape) (compute.Buffer, error) {
	buffer, err := b.Backend.BufferFromFlatData(device, flat, shape)
	return b.own(buffer), err
}

func (b ownBackend) NewSharedBuffer(device compute.DeviceNum, shape shapes.Shape) (compute.Buffer, any, error) {
	buffer, flat, err := b.Backend.NewSharedBuffer(device, shape)
	return b.own(buffer), flat, err
}

// own makes a buffer one of b. GoMLX refuses the buffers of another backend.
func (b ownBackend) own(buffer compute.Buffer) compute.Buffer {
	if buffer == nil {
		return nil
	}
	return ownBuffer{buffer, b}
}

type ownBuffer struct {
	compute.Buffer
	backend ownBackend
}

func (b ownBuffer) Backend() compute.Backend { return b.backend }

func (b ownBuffer) CopyToDevice(device compute.DeviceNum) (compute.Buffer, error) {
	buffer, err := b.Buffer.CopyToDevice(device)
	return b.backend.own(buffer), err
}

type ownBuilder struct {
	compute.Builder
	backend      ownBackend
	convolutions map[string]convolution // by the name of their result
}

func (b ownBuilder) Main() compute.Function {
	return ownFunction{b.Builder.Main(), b.convolutions, small{}, map[compute.Value]bool{}, map[compute.Value]matrix{}}
}

func (b ownBuilder) Compile() (compute.Executable, error) {
	executable, err := b.Builder.Compile()
	if err != nil {
		return nil, err
	}
	return ownExecutable{executable, b.backend, b.convolutions}, nil
}

// ownFunction overrides the operations in which NewBackend differs from the backend that it wraps.
type ownFunction struct {
	compute.Function
	convolutions map[string]convolution // for Program
	small        small
	zero         map[compute.Value]bool // differences of a value and itself
	matrices     map[compute.Value]matrix
}

type ownExecutable struct {
	compute.Executable
	backend      ownBackend
	convolutions map[string]convolution
}

func (e ownExecutable) Execute(
	inputs []compute.Buffer, donate []bool, device compute.DeviceNum,
) ([]compute.Buffer, error) {
	bare := make([]compute.Buffer, len(inputs))
	for i, buffer := range inputs {
		bare[i] = buffer.(ownBuffer).Buffer
	}
	outputs, err := e.Executable.Execute(bare, donate, device)
	for i, buffer := range outputs {
		outputs[i] = e.backend.own(buffer)
	}
	return outputs, err
}
