package models_test

import (
	"encoding/binary"
	"math"
	"strings"
	"testing"

	"github.com/gomlx/compute-onnx/support/protos"
	"google.golang.org/protobuf/proto"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/models/modelstest"
)

// TestStoreHalf: a stored model passes the checks of all models with half the bytes. Widened, it is the model with its
// large weights rounded to eleven bits.
func TestStoreHalf(t *testing.T) {
	whole := modelstest.DeepConv("SiLU", 16, 1)
	stored := proto.CloneOf(whole)
	if err := models.StoreHalf(stored); err != nil {
		t.Fatal(err)
	}
	if err := models.Check(stored, modelstest.Manifest("half", 1, 16, 16)); err != nil {
		t.Error(err)
	}
	if a, b := proto.Size(stored), proto.Size(whole); a > b*6/10 {
		t.Errorf("%d bytes of %d are left", a, b)
	}
	if n := models.WidenStored(stored); n == 0 || models.WidenStored(stored) != 0 {
		t.Errorf("%d tensors are widened at first, and more afterwards", n)
	}
	if a, b := len(stored.Graph.Node), len(whole.Graph.Node); a != b {
		t.Errorf("%d nodes, want %d", a, b)
	}
	changed := 0
	for i, tensor := range whole.Graph.Initializer {
		got := stored.Graph.Initializer[i]
		if got.GetName() != tensor.GetName() || got.GetDataType() != tensor.GetDataType() {
			t.Fatalf("tensor %s of type %d, want %s", got.GetName(), got.GetDataType(), tensor.GetName())
		}
		want, values := floats(tensor), floats(got)
		for j, w := range want {
			if v := values[j]; math.Abs(float64(v-w)) > math.Abs(float64(w))/2048+1.0/(1<<25) {
				t.Fatalf("%s: %g is stored as %g", tensor.GetName(), w, v)
			} else if v != w {
				changed++
			}
		}
	}
	if changed == 0 {
		t.Error("no weight is rounded")
	}
}

func TestStoreHalfRefuses(t *testing.T) {
	large := modelstest.DeepConv("SiLU", 16, 1)
	for _, tensor := range large.Graph.Initializer {
		if values := floats(tensor); len(values) > 1000 {
			values[7] = 1e5
			tensor.RawData, tensor.FloatData = nil, values
		}
	}
	if err := models.StoreHalf(large); err == nil || !strings.Contains(err.Error(), "element 7 is 100000") {
		t.Errorf("%v, want the weight that does not fit", err)
	}
}

func floats(tensor *protos.TensorProto) []float32 {
	if raw := tensor.GetRawData(); len(raw) > 0 {
		values := make([]float32, len(raw)/4)
		for i := range values {
			values[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
		}
		return values
	}
	return tensor.GetFloatData()
}
