package client

import (
	"errors"
	"math"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

func TestNewBatch(t *testing.T) {
	one := []byte{0, 0, 0x80, 0x3f} // 1 as IEEE 754 binary32, little-endian
	for name, tt := range map[string]struct {
		tensor *langevinv1.Tensor
		want   []float32 // nil: malformed
	}{
		"raw":             {&langevinv1.Tensor{Shape: []int64{1, 1}, Data: one}, []float32{1}},
		"numbers":         {&langevinv1.Tensor{Shape: []int64{1, 2}, Values: []float32{1, 2}}, []float32{1, 2}},
		"scalars":         {&langevinv1.Tensor{Shape: []int64{2}, Values: []float32{1, 2}}, []float32{1, 2}},
		"absent":          {nil, nil},
		"no shape":        {&langevinv1.Tensor{Data: one}, nil},
		"half a float":    {&langevinv1.Tensor{Shape: []int64{1}, Data: one[:3]}, nil},
		"too few":         {&langevinv1.Tensor{Shape: []int64{2, 1}, Data: one}, nil},
		"too many":        {&langevinv1.Tensor{Shape: []int64{1, 1}, Values: []float32{1, 2}}, nil},
		"no rows":         {&langevinv1.Tensor{Shape: []int64{0, 1}}, nil},
		"negative":        {&langevinv1.Tensor{Shape: []int64{-1, -1}, Data: one}, nil},
		"product is 2^64": {&langevinv1.Tensor{Shape: []int64{1 << 32, 1 << 32}}, nil},
	} {
		b, err := newBatch(tt.tensor)
		if tt.want == nil {
			if !errors.Is(err, ErrMalformed) {
				t.Errorf("%s: %v, want ErrMalformed", name, err)
			}
			continue
		}
		if err != nil || !slices.Equal(b.X, tt.want) || b.N != int(tt.tensor.GetShape()[0]) {
			t.Errorf("%s: %+v, %v", name, b, err)
		}
	}
}

func TestTensorKeepsBits(t *testing.T) {
	want := []float32{0, float32(math.Copysign(0, -1)), math.SmallestNonzeroFloat32, math.MaxFloat32,
		float32(math.Inf(-1)), math.Pi}
	b, err := newBatch(newTensor(Batch{X: want, Shape: []int{3}, N: 2}))
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range b.X {
		if math.Float32bits(v) != math.Float32bits(want[i]) {
			t.Errorf("element %d: %x, want %x", i, math.Float32bits(v), math.Float32bits(want[i]))
		}
	}
}

func TestRowOutside(t *testing.T) {
	for _, i := range []int{-1, 2} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("row %d of 2: no panic", i)
				}
			}()
			Batch{X: []float32{1, 2}, Shape: []int{1}, N: 2}.Row(i)
		}()
	}
}

// FuzzAssembly feeds a call of up to three events in any bytes: whatever a server sends, the result is whole or an
// error.
func FuzzAssembly(f *testing.F) {
	started, _ := proto.Marshal(&langevinv1.SampleResponse{Event: &langevinv1.SampleResponse_Started{
		Started: &langevinv1.Started{N: 1, Shape: []int64{2}}}})
	chunk, _ := proto.Marshal(&langevinv1.SampleResponse{Event: &langevinv1.SampleResponse_Chunk{
		Chunk: &langevinv1.Chunk{Tensor: &langevinv1.Tensor{Shape: []int64{1, 2}, Values: []float32{1, 2}}}}})
	done, _ := proto.Marshal(&langevinv1.SampleResponse{
		Event: &langevinv1.SampleResponse_Done{Done: &langevinv1.Done{N: 1}}})
	f.Add(started, chunk, done)
	f.Add(chunk, started, done)
	f.Fuzz(func(t *testing.T, first, second, third []byte) {
		var order sequence
		var res Result
		for _, message := range [][]byte{first, second, third} {
			var r langevinv1.SampleResponse
			if proto.Unmarshal(message, &r) != nil {
				return
			}
			e, err := newEvent(&r)
			if err != nil || e == nil || order.check(e) != nil {
				return
			}
			res.collect(e)
		}
		whole := len(res.X) == res.N*elements(res.Shape) || len(res.PNG) == res.N
		if order.done.N > 0 && (res.N != order.done.N || !whole) {
			t.Errorf("done with %d rows of shape %v, %d numbers and %d pictures", res.N, res.Shape, len(res.X),
				len(res.PNG))
		}
	})
}

// TestWordOfNewerServer: a value that this client has no word for is shown as its number, not as a default.
func TestWordOfNewerServer(t *testing.T) {
	for value, want := range map[langevinv1.FlowMethod]FlowMethod{0: "", 3: FlowMultistep, 4: "4", -1: "-1"} {
		if got := word(flowMethodWords(), value); got != want {
			t.Errorf("method %d is %q, want %q", value, got, want)
		}
	}
}
