package ort

import (
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute-onnx/support/protos"
	"golang.org/x/sys/cpu"
	"google.golang.org/protobuf/proto"
)

// TestChannelBlock compares the library's answer with the block that its kernels are written for.
func TestChannelBlock(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("known for amd64 only")
	}
	want := 0
	if cpu.X86.HasAVX2 {
		want = 8
	}
	if cpu.X86.HasAVX512F {
		want = 16
	}
	if got, err := theRuntime(t).ChannelBlock(); got != want || err != nil {
		t.Errorf("%d, %v: want %d", got, err, want)
	}
}

// program returns a graph from x, [2], and y, [2], to their sum and difference.
func program(t *testing.T, change func(*protos.GraphProto)) []byte {
	t.Helper()
	port := func(name string) *protos.ValueInfoProto {
		dim := &protos.TensorShapeProto_Dimension{Value: &protos.TensorShapeProto_Dimension_DimValue{DimValue: 2}}
		tensor := &protos.TypeProto_Tensor{ElemType: int32(protos.TensorProto_FLOAT),
			Shape: &protos.TensorShapeProto{Dim: []*protos.TensorShapeProto_Dimension{dim}}}
		return &protos.ValueInfoProto{Name: name,
			Type: &protos.TypeProto{Value: &protos.TypeProto_TensorType{TensorType: tensor}}}
	}
	graph := &protos.GraphProto{
		Name: "program", Input: []*protos.ValueInfoProto{port("x"),
			port("y")}, Output: []*protos.ValueInfoProto{port("sum"), port("difference")},
		Node: []*protos.NodeProto{
			{OpType: "Add", Input: []string{"x", "y"}, Output: []string{"sum"}},
			{OpType: "Sub", Input: []string{"x", "y"}, Output: []string{"difference"}},
		},
	}
	change(graph)
	file, err := proto.Marshal(&protos.ModelProto{IrVersion: 9,
		OpsetImport: []*protos.OperatorSetIdProto{{Version: 21}}, Graph: graph})
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func TestProgram(t *testing.T) {
	r := theRuntime(t)
	p, err := r.LoadProgram(program(t, func(*protos.GraphProto) {}), 2)
	if err != nil {
		t.Fatal(err)
	}
	var tensors []*Tensor
	for range 4 {
		x, err := r.NewTensor(2)
		if err != nil {
			t.Fatal(err)
		}
		tensors = append(tensors, x)
	}
	for round := range 2 { // the tensors stay, their elements change
		copy(tensors[0].X, []float32{1, float32(round)})
		copy(tensors[1].X, []float32{10, 20})
		if err := p.Run(tensors[:2], tensors[2:]); err != nil {
			t.Fatal(err)
		}
		sum, difference := []float32{11, 20 + float32(round)}, []float32{-9, float32(round) - 20}
		if !slices.Equal(tensors[2].X, sum) || !slices.Equal(tensors[3].X, difference) {
			t.Errorf("round %d: %v and %v, want %v and %v", round, tensors[2].X, tensors[3].X, sum, difference)
		}
	}
	for _, x := range tensors {
		if err := x.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

// TestPart: a program writes to a part of a tensor and to nothing else, and the tensor outlives its part.
func TestTensorPart(t *testing.T) {
	r := theRuntime(t)
	p, err := r.LoadProgram(program(t, func(*protos.GraphProto) {}), 1)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	whole, err := r.NewTensor(2 * PartStep)
	if err != nil {
		t.Fatal(err)
	}
	defer whole.Close()
	copy(whole.X, []float32{1, 2, 10, 20})
	want := append(slices.Clone(whole.X[:PartStep]), 11, 22, -9, -18)
	var parts []*Tensor
	for _, from := range []int{0, 2, PartStep, PartStep + 2} {
		part, err := whole.Part(from, 2)
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, part)
	}
	if err := p.Run(parts[:2], parts[2:]); err != nil {
		t.Fatal(err)
	}
	for _, part := range parts {
		if err := part.Close(); err != nil {
			t.Error(err)
		}
	}
	if got := whole.X[:len(want)]; !slices.Equal(got, want) {
		t.Errorf("the whole is %v, want %v", got, want)
	}
}

func TestLoadProgramRefuses(t *testing.T) {
	for want, change := range map[string]func(*protos.GraphProto){
		"input x is not a float32 tensor": func(g *protos.GraphProto) {
			for _, port := range slices.Concat(g.Input, g.Output) {
				port.Type.GetTensorType().ElemType = int32(protos.TensorProto_INT64)
			}
		},
		"y has shape [-1]: want all axes fixed": func(g *protos.GraphProto) {
			g.Input[1].Type.GetTensorType().Shape.Dim[0].Value =
				&protos.TensorShapeProto_Dimension_DimParam{DimParam: "n"}
		},
		"Nonsense": func(g *protos.GraphProto) { g.Node[0].OpType = "Nonsense" },
	} {
		if _, err := theRuntime(t).LoadProgram(program(t, change), 1); err == nil ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("error %v: want %q", err, want)
		}
	}
	if _, err := theRuntime(t).LoadProgram(program(t, func(*protos.GraphProto) {}), 0); err != nil {
		t.Errorf("no number of threads is one: %v", err)
	}
}
