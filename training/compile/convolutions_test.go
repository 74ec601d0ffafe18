package compile

import (
	"math"
	"testing"

	"github.com/gomlx/compute"
	onnxbackend "github.com/gomlx/compute-onnx"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/langevin-ml/langevin/ort"
	"github.com/langevin-ml/langevin/sampling"
)

func library(t *testing.T) string {
	t.Helper()
	path, searched, err := ort.FindLibrary("")
	if err != nil {
		t.Fatalf("run make onnxruntime: %v (looked at %q)", err, searched)
	}
	return path
}

func onnxRuntime(t *testing.T) compute.Backend {
	t.Helper()
	backend, err := onnxbackend.New(library(t) + ",cpu")
	if err != nil {
		t.Fatal(err)
	}
	return backend
}

// window is a square kernel and its movement.
type window struct{ size, stride, dilation, pad int }

// convolve is a convolution of channels-first images, as in the networks. It computes a stride by keeping one place of
// each tile, because GoMLX cannot differentiate a convolution with a stride.
func convolve(x, kernel *graph.Node, w window) *graph.Node {
	y := graph.Convolve(x, kernel).AxesConfig(compute.ConvolveAxesConfig{
		InputBatch: 0, InputChannels: 1, InputSpatial: []int{2, 3},
		KernelOutputChannels: 0, KernelInputChannels: 1, KernelSpatial: []int{2, 3},
		OutputBatch: 0, OutputChannels: 1, OutputSpatial: []int{2, 3},
	}).Dilations(w.dilation).PaddingPerDim([][2]int{{w.pad, w.pad}, {w.pad, w.pad}}).Done()
	if w.stride == 1 {
		return y
	}
	d := y.Shape().Dimensions
	first, all := graph.AxisElem(0), graph.AxisRange()
	tiles := graph.Reshape(y, d[0], d[1], d[2]/w.stride, w.stride, d[3]/w.stride, w.stride)
	return graph.Squeeze(graph.Slice(tiles, all, all, all, first, all, first), 3, 5)
}

// unchanged is the backend alone, in a table with NewBackend.
func unchanged(b compute.Backend) compute.Backend { return b }

// TestKernelGradients compares the gradients of kernels with GoMLX's own, for kernels and images of several sizes.
func TestKernelGradients(t *testing.T) {
	for _, c := range []struct {
		batch, in, out, height, width int
		window                        window
	}{
		{3, 9, 4, 8, 6, window{size: 3, stride: 1, dilation: 1, pad: 1}},
		{2, 8, 3, 6, 6, window{size: 1, stride: 1, dilation: 1}},
		{2, 8, 1, 7, 9, window{size: 5, stride: 1, dilation: 1, pad: 2}},
		{2, 8, 2, 7, 7, window{size: 3, stride: 1, dilation: 4, pad: 4}},
		{2, 8, 2, 8, 8, window{size: 3, stride: 2, dilation: 1, pad: 1}},
		{1, 8, 2, 9, 8, window{size: 3, stride: 1, dilation: 2, pad: 1}},
		{2, 8, 2, 3, 3, window{size: 3, stride: 1, dilation: 4, pad: 4}}, // taps outside of the image
		{2, 2, 9, 6, 6, window{size: 3, stride: 1, dilation: 1, pad: 1}}, // few channels
	} {
		x := make([]float32, c.batch*c.in*c.height*c.width)
		weight := make([]float32, c.out*c.in*c.window.size*c.window.size)
		sampling.Noise{Seed: 1}.Normal(x, 0)
		sampling.Noise{Seed: 2}.Normal(weight, 0)
		var gradients [2][]float32
		for i, wrap := range []func(compute.Backend) compute.Backend{unchanged, NewBackend} {
			exec, err := graph.NewExec(wrap(onnxRuntime(t)), func(x, weight *graph.Node) *graph.Node {
				return graph.Gradient(graph.ReduceAllSum(graph.Tanh(convolve(x, weight, c.window))), weight)[0]
			})
			if err != nil {
				t.Fatal(err)
			}
			out, err := exec.Call1(tensors.FromFlatDataAndDimensions(x, c.batch, c.in, c.height, c.width),
				tensors.FromFlatDataAndDimensions(weight, c.out, c.in, c.window.size, c.window.size))
			if err != nil {
				t.Fatalf("%+v: %v", c, err)
			}
			gradients[i] = tensors.MustCopyFlatData[float32](out)
		}
		for i, want := range gradients[0] {
			if got := gradients[1][i]; math.Abs(float64(got-want)) > 1e-4 {
				t.Errorf("%+v: element %d of the gradient is %g, want %g", c, i, got, want)
				break
			}
		}
	}
}

// TestBlockedConvolutions compares convolutions in programs, and their gradients, which are convolutions too, with the
// backend alone. Some fill blocks of channels and some do not.
func TestBlockedConvolutions(t *testing.T) {
	runtime, err := ort.Open(library(t))
	if err != nil {
		t.Fatal(err)
	}
	block, err := runtime.ChannelBlock()
	if err != nil {
		t.Fatal(err)
	}
	if block == 0 {
		t.Skip("ONNX Runtime has no blocked convolutions for this CPU")
	}
	for _, c := range []struct {
		in, out int
		window  window
		blocked int // number of convolutions and gradients in blocks
	}{
		{32, 32, window{size: 3, stride: 1, dilation: 1, pad: 1}, 2},
		{36, 20, window{size: 3, stride: 1, dilation: 2, pad: 2}, 2},
		{16, 5, window{size: 5, stride: 1, dilation: 1, pad: 2}, 1}, // its gradient has 5 channels
		{6, 32, window{size: 1, stride: 1, dilation: 1}, 1},
		{4, 6, window{size: 3, stride: 1, dilation: 1, pad: 1}, 0},
		{18, 18, window{size: 3, stride: 1, dilation: 1, pad: 1}, 0}, // not a multiple of 4
	} {
		const batch, height, width = 3, 9, 7
		shapes := [][]int{{batch, c.in, height, width}, {c.out, c.in, c.window.size, c.window.size}}
		gradients := func(in []*graph.Node) []*graph.Node {
			y := convolve(in[0], in[1], c.window)
			return append(graph.Gradient(graph.ReduceAllSum(graph.Tanh(y)), in[0], in[1]), y)
		}
		backend := NewBackend(onnxRuntime(t))
		model, known, err := buildONNX(backend, "convolve", shapes, gradients)
		if err != nil {
			t.Fatal(err)
		}
		if got := blockConvolutions(model, known, block); got != c.blocked {
			t.Errorf("%+v: %d convolutions in blocks, want %d", c, got, c.blocked)
		}
		file, err := Program(backend, "convolve", block, shapes, gradients)
		if err != nil {
			t.Fatal(err)
		}
		program, err := runtime.LoadProgram(file, 1)
		if err != nil {
			t.Fatal(err)
		}
		in, out := tensorsOf(t, runtime, program.Inputs()), tensorsOf(t, runtime, program.Outputs())
		exec, err := graph.NewExec(onnxRuntime(t), gradients)
		if err != nil {
			t.Fatal(err)
		}
		var args []any
		for i, x := range in {
			sampling.Noise{Seed: uint64(i)}.Normal(x.X, 0)
			args = append(args, tensors.FromFlatDataAndDimensions(append([]float32{}, x.X...), shapes[i]...))
		}
		if err := program.Run(in, out); err != nil {
			t.Fatal(err)
		}
		want, err := exec.Call(args...)
		if err != nil {
			t.Fatal(err)
		}
		for i := range want {
			for k, v := range tensors.MustCopyFlatData[float32](want[i]) {
				if got := out[i].X[k]; !(math.Abs(float64(got-v)) <= 1e-4) {
					t.Errorf("%+v: element %d of result %d is %g, want %g", c, k, i, got, v)
					break
				}
			}
		}
		if err := program.Close(); err != nil {
			t.Error(err)
		}
	}
}

func tensorsOf(t *testing.T, runtime *ort.Runtime, shapes [][]int) (made []*ort.Tensor) {
	t.Helper()
	for _, shape := range shapes {
		x, err := runtime.NewTensor(shape...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = x.Close() })
		made = append(made, x)
	}
	return made
}
