package web

import (
	"bytes"
	"encoding/json"
	"math"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// TestJSONRoundTrip: reading what was written returns the same message.
func TestJSONRoundTrip(t *testing.T) {
	for _, m := range []proto.Message{
		&langevinv1.SampleRequest{},
		&langevinv1.SampleRequest{
			Model: `ring"`, N: proto.Int64(0), Seed: proto.Uint64(math.MaxUint64), FirstChain: 1 << 53,
			Sampler: &langevinv1.SampleRequest_ProbabilityFlow{ProbabilityFlow: &langevinv1.ProbabilityFlow{
				Sigmas: []float64{1e300, 1,
					1e-300}, Method: langevinv1.FlowMethod_FLOW_METHOD_MULTISTEP, Denoise: proto.Bool(false),
			}},
			Preview: &langevinv1.PreviewOptions{Cadence: &langevinv1.PreviewOptions_EveryLevel{EveryLevel: true},
				Chains: proto.Int64(3)},
			Format: langevinv1.TensorFormat_TENSOR_FORMAT_PNG,
			Condition: &langevinv1.SampleRequest_Inpainting{Inpainting: &langevinv1.Inpainting{Mask: []bool{true,
				false}}},
		},
		&langevinv1.ScoreRequest{
			X:     &langevinv1.Tensor{Shape: []int64{2, 1, 2}, Values: []float32{1.1, -2e-38, 3e38, 0}},
			Sigma: []float32{0.1},
		},
		&langevinv1.ScoreRequest{X: &langevinv1.Tensor{Shape: []int64{1, 2}, Data: []byte{0, 1, 2, 255, 4, 5, 6, 7}}},
		&langevinv1.Done{N: math.MinInt64, Elapsed: durationpb.New(1500_000_000)},
	} {
		data := appendJSON(nil, m)
		again := m.ProtoReflect().New().Interface()
		if err := readJSON(bytes.NewReader(data), again); err != nil || !proto.Equal(m, again) {
			t.Errorf("%s came back as %v, %v", data, again, err)
		}
	}
}

// TestShortForms: short forms mean the same as long forms.
func TestShortForms(t *testing.T) {
	for short, long := range map[string]string{
		`{"x": [[1, 2], [3, 4]], "sigma": 0.5}`: `{"x": {"shape": [2, 2], "values": [1, 2, 3, 4]}, "sigma": [0.5]}`,
		`{"x": [1, 2], "format": "floats"}`:     `{"x": {"values": [1, 2]}, "format": "TENSOR_FORMAT_FLOATS"}`,
		`{"x": null, "model": "m"}`:             `{"model": "m"}`,
		``:                                      `{}`,
		`{"x": {"data": "AAAAAA=="}, "version": "3"}`: `{"x": {"data": "AAAAAA=="}, "version": 3}`,
		`{"x": [[[1, 2]], [[3, 4]]], "sigma": [1, 2]}`: `{"x": {"shape": [2, 1, 2], ` +
			`"values": [1, 2, 3, 4]}, "sigma": [1, 2]}`,
	} {
		var a, b langevinv1.ScoreRequest
		if err := readJSON(bytes.NewReader([]byte(short)), &a); err != nil {
			t.Errorf("%s: %v", short, err)
		}
		if err := readJSON(bytes.NewReader([]byte(long)), &b); err != nil {
			t.Errorf("%s: %v", long, err)
		}
		if !proto.Equal(&a, &b) {
			t.Errorf("%s is read as %v, want %v", short, &a, &b)
		}
	}
}

// FuzzReadJSON: no body makes the reader panic, and every accepted body can be written and read again.
func FuzzReadJSON(f *testing.F) {
	for _, seed := range []string{
		``, `{}`, `[]`, `null`, `{"x": [[[]]]}`, `{"x": [[1], 2]}`,
		`{"n": 1e99}`, `{"seed": -1}`, `{"preview": {"frames": 2, "everySteps": 3}}`,
		`{"langevin": null}`, `{"langevin": [], "x": {}}`,
		`{"inpainting": {"values": [1, 2], "mask": true, "refresh": "step"}}`,
		`{"resume": {"x": {"png": "AA=="}}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var m, again langevinv1.SampleRequest
		if readJSON(bytes.NewReader(body), &m) != nil {
			return
		}
		data := appendJSON(nil, &m)
		if !json.Valid(data) {
			t.Fatalf("%q is written as %s", body, data)
		}
		if err := readJSON(bytes.NewReader(data), &again); err != nil {
			t.Fatalf("%q is written as %s, which cannot be read: %v", body, data, err)
		}
	})
}
