package rpc_test

import (
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// TestMaxFrames: there are at most as many previews as requested, and at most one for each step. The started event says
// which samplers can be resumed.
func TestMaxFrames(t *testing.T) {
	s := start(t)
	for _, tt := range []struct {
		name      string
		sampler   proto.Message
		max       int32
		want      []int64
		resumable bool
	}{
		{"fewer", &langevinv1.Langevin{Steps: proto.Int32(4)}, 3, []int64{0, 2, 4}, true},
		{"as many", &langevinv1.Langevin{Steps: proto.Int32(4)}, 5, []int64{0, 1, 2, 3, 4}, true},
		{"more", &langevinv1.Langevin{Steps: proto.Int32(2)}, 1 << 30, []int64{0, 1, 2}, true},
		{"two", &langevinv1.ProbabilityFlow{Steps: proto.Int32(2), Denoise: proto.Bool(false)}, 2, []int64{0, 4},
			false},
		{
			"Euler", &langevinv1.ProbabilityFlow{Steps: proto.Int32(1),
				Method: langevinv1.FlowMethod_FLOW_METHOD_EULER},
			9, []int64{0, 1, 2}, true,
		},
		{
			"ancestral", &langevinv1.ReverseSDE{Steps: proto.Int32(3),
				Method: langevinv1.ReverseMethod_REVERSE_METHOD_EULER},
			9, []int64{0, 1, 2, 3}, true,
		},
		{"consistency", &langevinv1.Consistency{Steps: proto.Int32(2)}, 9, []int64{0, 1, 2}, true},
		{"multistep", &langevinv1.ReverseSDE{Steps: proto.Int32(3)}, 9, []int64{0, 1, 2, 3}, false},
	} {
		req := &langevinv1.SampleRequest{Preview: &langevinv1.PreviewOptions{
			Cadence: &langevinv1.PreviewOptions_MaxFrames{MaxFrames: tt.max},
		}}
		langevinv1.SetSampler(req, tt.sampler)
		got, err := s.sample(t, t.Context(), req)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		var steps []int64
		for _, p := range got.previews {
			steps = append(steps, p.GetStep())
		}
		if !slices.Equal(steps, tt.want) || got.started.GetResumable() != tt.resumable {
			t.Errorf("%s: previews of steps %v, resumable %v: want %v, %v",
				tt.name, steps, got.started.GetResumable(), tt.want, tt.resumable)
		}
	}
}
