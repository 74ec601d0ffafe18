package models_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute-onnx/support/protos"
	"google.golang.org/protobuf/proto"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/models/modelstest"
)

// TestHalfPrecision: of four convolutions the outer two stay float32. Every value is computed once, before its use, and
// in the type that its reader needs.
func TestHalfPrecision(t *testing.T) {
	whole := modelstest.DeepConv("SiLU", 8, 1)
	half := proto.CloneOf(whole)
	n, err := models.HalfPrecision(half)
	if err != nil || n == 0 {
		t.Fatalf("%d nodes, %v", n, err)
	}
	if err := models.Check(half, modelstest.Manifest("half", 1, 8, 8)); err != nil {
		t.Error(err)
	}
	types := map[string]protos.TensorProto_DataType{models.InputX: protos.TensorProto_FLOAT,
		models.InputSigma: protos.TensorProto_FLOAT}
	for _, tensor := range half.Graph.Initializer {
		types[tensor.GetName()] = protos.TensorProto_DataType(tensor.GetDataType())
	}
	var convolutions []protos.TensorProto_DataType
	for _, node := range half.Graph.Node {
		kind := types[node.Input[0]]
		for _, input := range node.Input {
			got, known := types[input]
			if !known || got != kind && got != protos.TensorProto_INT64 {
				t.Errorf("%s reads %q of type %s, want %s", node.OpType, input, got, kind)
			}
		}
		if node.OpType == "Cast" {
			kind = protos.TensorProto_DataType(node.Attribute[0].I)
		}
		if node.OpType == "Conv" {
			convolutions = append(convolutions, kind)
		}
		for _, output := range node.Output {
			if _, twice := types[output]; twice {
				t.Errorf("%q is computed twice", output)
			}
			types[output] = kind
		}
	}
	f32, f16 := protos.TensorProto_FLOAT, protos.TensorProto_FLOAT16
	if !slices.Equal(convolutions, []protos.TensorProto_DataType{f32, f16, f16, f32}) {
		t.Errorf("convolutions in %v, want the outer two in float32", convolutions)
	}
	if types[models.OutputScore] != f32 {
		t.Errorf("the score is %s", types[models.OutputScore])
	}
	if a, b := proto.Size(half), proto.Size(whole); a > b*3/4 {
		t.Errorf("%d bytes of %d are left", a, b)
	}
}

func TestHalfPrecisionRefuses(t *testing.T) {
	if _, err := models.HalfPrecision(modelstest.Gaussian(2)); err == nil ||
		!strings.Contains(err.Error(), "no product") {
		t.Errorf("a graph without products: %v", err)
	}
	large := modelstest.DeepConv("Relu", 8, 1)
	for _, tensor := range large.Graph.Initializer {
		if len(tensor.Dims) == 4 {
			tensor.FloatData[0] = 1e5
		}
	}
	if _, err := models.HalfPrecision(large); err == nil ||
		!strings.Contains(err.Error(), "element 0 is 100000, beyond float16") {
		t.Errorf("a weight of 1e5: %v", err)
	}
}
