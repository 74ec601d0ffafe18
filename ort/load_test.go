package ort

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gomlx/compute-onnx/support/protos"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/models/modelstest"
)

// noise returns n random bytes.
func noise(n int) []byte {
	rng := rand.New(rand.NewPCG(1, 2))
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(rng.Uint32())
	}
	return data
}

func TestBadFiles(t *testing.T) {
	sound := modelstest.Bytes(t, modelstest.MLP("SiLU", 1))
	changed := func(change func(*protos.ModelProto)) []byte {
		model := modelstest.MLP("SiLU", 1)
		change(model)
		return modelstest.Bytes(t, model)
	}
	onlyNode := func(node *protos.NodeProto) []byte {
		return changed(func(m *protos.ModelProto) { m.Graph.Node = []*protos.NodeProto{node} })
	}
	tests := []struct {
		name string
		file []byte
		want string
	}{
		{"empty", nil, "the file is empty"},
		{"half", sound[:len(sound)/2], "not an ONNX file, or a damaged one"},
		{"all but a byte", sound[:len(sound)-1], "not an ONNX file, or a damaged one"},
		{"random bytes", noise(4096), "not an ONNX file, or a damaged one"},
		{"zeros", make([]byte, 4096), "not an ONNX file, or a damaged one"},
		{"other input name", changed(func(m *protos.ModelProto) { m.Graph.Input[0].Name = "input" }),
			`inputs are ["input" "sigma"]`},
		{"other rank", changed(func(m *protos.ModelProto) { m.Graph.Input[0] = modelstest.Value("x", 1, 2) }),
			"shape is [N 1 2]: want [N 2]"},
		{"other type", changed(func(m *protos.ModelProto) {
			m.Graph.Input[0].Type.GetTensorType().ElemType = int32(protos.TensorProto_DOUBLE)
		}), "type is DOUBLE"},
		{"operator set of the future", changed(func(m *protos.ModelProto) { m.OpsetImport[0].Version = 99 }), "99"},
		{"IR version of the future", changed(func(m *protos.ModelProto) { m.IrVersion = 99 }), "99"},
		{"unknown operator",
			onlyNode(&protos.NodeProto{OpType: "Teleport", Input: []string{"x"},
				Output: []string{"score"}}), "Teleport"},
		{"input from nowhere",
			onlyNode(&protos.NodeProto{OpType: "Neg", Input: []string{"y"}, Output: []string{"score"}}), "y"},
		{"cycle", changed(func(m *protos.ModelProto) {
			m.Graph.Node[0].Input[0] = m.Graph.Node[len(m.Graph.Node)-2].Output[0]
		}), "not acyclic"},
		{"no nodes", changed(func(m *protos.ModelProto) { m.Graph.Node = nil }), "score"},
		{"weights shorter than their shape", changed(func(m *protos.ModelProto) {
			w := m.Graph.Initializer[1]
			w.FloatData = w.FloatData[:1]
		}), "it has too few elements for its shape [3 128]"},
		{"weights of a petabyte", changed(func(m *protos.ModelProto) {
			m.Graph.Initializer[1].Dims = []int64{1 << 24, 1 << 24}
		}), "16777216"},
		{"result of another shape",
			onlyNode(&protos.NodeProto{OpType: "Transpose", Input: []string{"x"}, Output: []string{"score"}}),
			"trial evaluation"},
		{"not finite", onlyNode(&protos.NodeProto{OpType: "Log", Input: []string{"x"}, Output: []string{"score"}}),
			"the score is not finite at sigma 10: it is NaN in row 2 of 256"},
	}
	r := theRuntime(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := r.Load(t.Context(), tt.file, modelstest.Manifest("bad", 2), Options{})
			if s != nil || !errors.Is(err, models.ErrInvalid) || !strings.Contains(err.Error(), tt.want) ||
				strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v: want one line with %q", err, tt.want)
			}
		})
	}
	load(t, modelstest.MLP("SiLU", 1), modelstest.Manifest("sound", 2), Options{}) // the process still works
}

// TestStrideZero loads a graph that ended a process with ONNX Runtime 1.24: a division by zero during loading.
func TestStrideZero(t *testing.T) {
	model := modelstest.Conv("Relu", 6, 1)
	for _, node := range model.Graph.Node {
		if node.OpType == "Conv" {
			node.Attribute = append(node.Attribute,
				&protos.AttributeProto{Name: "strides", Type: protos.AttributeProto_INTS, Ints: []int64{0, 0}})
		}
	}
	_, err := theRuntime(t).Load(t.Context(), modelstest.Bytes(t, model), modelstest.Manifest("stride", 1, 6, 6),
		Options{})
	if !errors.Is(err, models.ErrInvalid) || !strings.Contains(err.Error(), "stride") {
		t.Errorf("got %v", err)
	}
}

func TestPlain(t *testing.T) {
	tests := []struct{ text, want string }{
		{"Missing ONNX data", "Missing ONNX data"},
		{"/src/core/graph/graph.cc:1555 void onnxruntime::Graph::Initialize() " +
			"This is invalid. Output (score) is not there.",
			"This is invalid. Output (score) is not there."},
		{"/src/utils.h:46 void ns::Validate(const std::map<std::__cxx11::basic_string<char>, int>&, bool) " +
			"Opset 99 (new).",
			"Opset 99 (new)."},
		{"/src/p.cc:88 onnxruntime::Provider& onnxruntime::ProviderLibrary::Get() [ONNXRuntimeError] : 1",
			"[ONNXRuntimeError] : 1"},
		{"/src/g.cc:7 auto ns::F(std::function<void(int)>) const Why (x)", "Why (x)"},
		{"utils.cc:1540 ValidateSize Initializer 'w': count (1)", "ValidateSize Initializer 'w': count (1)"},
		{"Could not find an implementation for Conv(11) node with name 'c'",
			`node "c" (Conv): ONNX Runtime ` + Version +
				" has no such operator for the types that it is given here: " +
				"export the network in float32, net.float()"},
		{"Got invalid dimensions\n index: 0 Got: 16\n Please fix",
			"Got invalid dimensions index: 0 Got: 16 Please fix"},
	}
	for _, tt := range tests {
		if got := plain(fmt.Errorf("Error running network: %w", errors.New(tt.text))); got.Error() != tt.want {
			t.Errorf("%q became %q: want %q", tt.text, got, tt.want)
		}
	}
}

func TestBadManifestAndOptions(t *testing.T) {
	r := theRuntime(t)
	file := modelstest.GaussianFile(t, "gauss", 2)
	_, err := r.Load(t.Context(), file, models.Manifest{Name: "none"}, Options{})
	if !errors.Is(err, models.ErrInvalid) {
		t.Errorf("without a manifest: %v", err)
	}
	if _, err := r.Load(t.Context(), file, modelstest.Manifest("gauss", 2), Options{Threads: -1}); err == nil ||
		!strings.Contains(err.Error(), "threads is -1") {
		t.Errorf("with -1 threads: %v", err)
	}
}

// TestDevices requests devices that this library does not have. The error names the cause, and the CPU is never used
// instead.
func TestDevices(t *testing.T) {
	r := theRuntime(t)
	file, m := modelstest.GaussianFile(t, "gauss", 2), modelstest.Manifest("gauss", 2)
	_, err := r.Load(t.Context(), file, m, Options{Device: "tpu"})
	if !errors.Is(err, ErrDeviceUnavailable) ||
		!strings.Contains(err.Error(), `device is "tpu": want cpu, cuda or cuda:N`) {
		t.Errorf("tpu: %v", err)
	}
	s, err := r.Load(t.Context(), file, m, Options{Device: DeviceCUDA})
	if err == nil {
		t.Cleanup(func() { s.Close() })
		t.Skip("this machine has CUDA")
	}
	if !errors.Is(err, ErrDeviceUnavailable) || !strings.Contains(err.Error(), "cuda") ||
		strings.Contains(err.Error(), "\n") {
		t.Errorf("cuda: %v", err)
	}
	load(t, modelstest.Gaussian(2), m, Options{})
}

// endless returns a graph whose Loop runs 2⁶² times.
func endless() *protos.ModelProto {
	model := modelstest.Gaussian(2)
	scalar := func(name string, kind protos.TensorProto_DataType, value int64) *protos.TensorProto {
		tensor := &protos.TensorProto{Name: name, DataType: int32(kind)}
		if kind == protos.TensorProto_BOOL {
			tensor.Int32Data = []int32{int32(value)}
		} else {
			tensor.Int64Data = []int64{value}
		}
		return tensor
	}
	typed := func(name string, kind protos.TensorProto_DataType) *protos.ValueInfoProto {
		return &protos.ValueInfoProto{Name: name, Type: &protos.TypeProto{Value: &protos.TypeProto_TensorType{
			TensorType: &protos.TypeProto_Tensor{ElemType: int32(kind), Shape: &protos.TensorShapeProto{}}}}}
	}
	body := &protos.GraphProto{
		Name: "body",
		Input: []*protos.ValueInfoProto{typed("i", protos.TensorProto_INT64), typed("go", protos.TensorProto_BOOL),
			modelstest.Value("state", 2)},
		Output: []*protos.ValueInfoProto{typed("again", protos.TensorProto_BOOL), modelstest.Value("next", 2)},
		Node: []*protos.NodeProto{
			{OpType: "Identity", Input: []string{"go"}, Output: []string{"again"}},
			{OpType: "Neg", Input: []string{"state"}, Output: []string{"next"}},
		},
	}
	model.Graph.Initializer = []*protos.TensorProto{
		scalar("trips", protos.TensorProto_INT64, 1<<62), scalar("yes", protos.TensorProto_BOOL, 1),
	}
	model.Graph.Node = []*protos.NodeProto{{
		OpType: "Loop", Input: []string{"trips", "yes", "x"}, Output: []string{"score"},
		Attribute: []*protos.AttributeProto{{Name: "body", Type: protos.AttributeProto_GRAPH, G: body}},
	}}
	return model
}

// tarpit returns a graph that never ends if an element of x is above 100, and is the identity otherwise.
func tarpit() *protos.ModelProto {
	model := endless()
	loop := model.Graph.Node[0]
	loop.Input[0] = "often"
	scalar := func(name string, value float32) *protos.TensorProto {
		return &protos.TensorProto{Name: name, DataType: int32(protos.TensorProto_FLOAT), FloatData: []float32{value}}
	}
	model.Graph.Initializer = append(model.Graph.Initializer, scalar("most", 100), scalar("many", 1e15))
	number := func(name string, value int64) []*protos.AttributeProto {
		return []*protos.AttributeProto{{Name: name, Type: protos.AttributeProto_INT, I: value}}
	}
	model.Graph.Node = []*protos.NodeProto{
		{OpType: "ReduceMax", Input: []string{"x"}, Output: []string{"top"}, Attribute: number("keepdims", 0)},
		{OpType: "Sub", Input: []string{"top", "most"}, Output: []string{"over"}},
		{OpType: "Relu", Input: []string{"over"}, Output: []string{"excess"}},
		{OpType: "Mul", Input: []string{"excess", "many"}, Output: []string{"trips_float"}},
		{OpType: "Cast", Input: []string{"trips_float"}, Output: []string{"often"},
			Attribute: number("to", int64(protos.TensorProto_INT64))},
		loop,
	}
	return model
}

// looping allows what score networks do not need.
func looping() Options { return Options{Rules: models.Rules{Operators: []string{"Loop"}}} }

// TestScoreCanBeStopped: cancelling interrupts a running evaluation, and the session continues to work.
func TestScoreCanBeStopped(t *testing.T) {
	s, err := theRuntime(t).Load(t.Context(), modelstest.Bytes(t, tarpit()), modelstest.Manifest("tarpit", 2),
		looping())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	const rows = pointRows + 4 // a number of rows without an earlier short run
	x, sigma := make([]float32, 2*rows), make([]float32, rows)
	x[3] = 200
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := s.Score(ctx, make([]float32, 2*rows), x, sigma); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("an endless evaluation: %v: want the deadline", err)
	}
	x[3] = 2
	if dst := make([]float32, 2*rows); s.Score(t.Context(), dst, x, sigma) != nil || !slices.Equal(dst, x) {
		t.Error("after an interrupted evaluation the next one is wrong")
	}
}

func TestLoadCanBeStopped(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := theRuntime(t).Load(ctx, modelstest.Bytes(t, endless()), modelstest.Manifest("endless", 2), looping())
	if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, models.ErrInvalid) {
		t.Errorf("an endless graph: %v: want the deadline", err)
	}
}
