package nn

import (
	"github.com/gomlx/compute"
	"github.com/gomlx/compute/shapes"
)

// KernelProducts returns backend, an ONNX Runtime one, with another way to compute the gradient of a convolution's kernel:
//
//	dW[o, c, i, j] = Σ_bhw dY[b, o, h, w] X[b, c, h + i·d - p, w + j·d - p]
//
// GoMLX has it as a convolution of X by dY, which is a product of matrices with as few columns as the kernel has places:
// slow, and never shared among threads. Here dY is moved up and down, once for each row of the kernel, X to the left and
// right, once for each column, and dW is the products of the one with the other over all of b, h and w: as many
// operations, in matrices of a better shape, whose copies cost less than what is gained. Where X has few channels there is
// nothing to gain, and GoMLX's way remains.
//
// All else is backend's, and so is whatever needs to be closed.
func KernelProducts(backend compute.Backend) compute.Backend { return productBackend{backend} }

type productBackend struct{ compute.Backend }

func (b productBackend) Builder(name string) compute.Builder {
	return productBuilder{b.Backend.Builder(name), b}
}

func (b productBackend) BufferFromFlatData(device compute.DeviceNum, flat any, shape shapes.Shape) (compute.Buffer, error) {
	buffer, err := b.Backend.BufferFromFlatData(device, flat, shape)
	return b.own(buffer), err
}

func (b productBackend) NewSharedBuffer(device compute.DeviceNum, shape shapes.Shape) (compute.Buffer, any, error) {
	buffer, flat, err := b.Backend.NewSharedBuffer(device, shape)
	return b.own(buffer), flat, err
}

// own makes a buffer one of b: GoMLX refuses those of another backend.
func (b productBackend) own(buffer compute.Buffer) compute.Buffer {
	if buffer == nil {
		return nil
	}
	return productBuffer{buffer, b}
}

type productBuffer struct {
	compute.Buffer
	backend productBackend
}

func (b productBuffer) Backend() compute.Backend { return b.backend }

func (b productBuffer) CopyToDevice(device compute.DeviceNum) (compute.Buffer, error) {
	buffer, err := b.Buffer.CopyToDevice(device)
	return b.backend.own(buffer), err
}

type productBuilder struct {
	compute.Builder
	backend productBackend
}

func (b productBuilder) Main() compute.Function { return productFunction{b.Builder.Main(), b.Builder} }

func (b productBuilder) Compile() (compute.Executable, error) {
	executable, err := b.Builder.Compile()
	if err != nil {
		return nil, err
	}
	return productExecutable{executable, b.backend}, nil
}

type productExecutable struct {
	compute.Executable
	backend productBackend
}

func (e productExecutable) Execute(inputs []compute.Buffer, donate []bool, device compute.DeviceNum) ([]compute.Buffer, error) {
	bare := make([]compute.Buffer, len(inputs))
	for i, buffer := range inputs {
		bare[i] = buffer.(productBuffer).Buffer
	}
	outputs, err := e.Executable.Execute(bare, donate, device)
	for i, buffer := range outputs {
		outputs[i] = e.backend.own(buffer)
	}
	return outputs, err
}
