package server_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/server"
	"github.com/langevin-ml/langevin/server/oip/inference"
)

func numSamples(n int64) *inference.ModelInferRequest_InferInputTensor {
	return &inference.ModelInferRequest_InferInputTensor{
		Name: "num_samples", Datatype: "INT64", Shape: []int64{1},
		Contents: &inference.InferTensorContents{Int64Contents: []int64{n}},
	}
}

func whole(v int64) *inference.InferParameter {
	return &inference.InferParameter{ParameterChoice: &inference.InferParameter_Int64Param{Int64Param: v}}
}

func text(v string) *inference.InferParameter {
	return &inference.InferParameter{ParameterChoice: &inference.InferParameter_StringParam{StringParam: v}}
}

// bits returns float32s as bytes.
func bits(values []float32) []byte {
	var data []byte
	for _, v := range values {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
	}
	return data
}

// TestInference: the Open Inference Protocol gives the samples of langevin.v1, unary and streamed, typed and raw.
func TestInference(t *testing.T) {
	r := start(t, nil)
	if got := r.health(t, "inference.GRPCInferenceService"); got != healthv1.HealthCheckResponse_SERVING {
		t.Errorf("its health is %v", got)
	}
	client := inference.NewGRPCInferenceServiceClient(r.conn)
	const n = 40_000 // several chunks
	want, err := r.data(t.Context(), &langevinv1.SampleRequest{
		N: proto.Int64(n), Seed: proto.Uint64(5),
		Sampler: &langevinv1.SampleRequest_Langevin{Langevin: &langevinv1.Langevin{Steps: proto.Int32(4)}},
	})
	if err != nil || len(want) != 8*n {
		t.Fatalf("%d bytes, %v", len(want), err)
	}
	req := &inference.ModelInferRequest{
		ModelName: "gauss", Id: "mine", Inputs: []*inference.ModelInferRequest_InferInputTensor{numSamples(n)},
		Parameters: map[string]*inference.InferParameter{"seed": whole(5),
			"request": text(`{"langevin": {"steps": 4}}`)},
	}
	resp, err := client.ModelInfer(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	if got := bits(resp.GetOutputs()[0].GetContents().GetFp32Contents()); !bytes.Equal(got, want) ||
		resp.GetId() != "mine" {
		t.Errorf("typed: %d bytes, or others, under the id %q", len(got), resp.GetId())
	}
	req.Inputs[0].Contents = nil
	req.RawInputContents = [][]byte{binary.LittleEndian.AppendUint64(nil, n)}
	if resp, err = client.ModelInfer(t.Context(), req); err != nil ||
		!bytes.Equal(resp.GetRawOutputContents()[0], want) {
		t.Errorf("raw: others, %v", err)
	}
	req.Parameters["timeout"] = whole(1)
	if _, err := client.ModelInfer(t.Context(), req); status.Code(err) != codes.DeadlineExceeded ||
		!strings.Contains(err.Error(), "the deadline is the client's") {
		t.Errorf("a timeout of 1 us: %v", err)
	}
	delete(req.Parameters, "timeout")
	req.Parameters["stream_every"] = whole(2)
	got, previews := r.stream(t, client, req)
	if !bytes.Equal(got, want) || previews != 3 {
		t.Errorf("streamed: %d bytes, or others, after %d previews: want 3", len(got), previews)
	}
}

// stream sends one request and returns the samples in the answer.
func (r *running) stream(t *testing.T, client inference.GRPCInferenceServiceClient,
	req *inference.ModelInferRequest) (data []byte, previews int) {
	t.Helper()
	stream, err := client.ModelStreamInfer(t.Context())
	if err == nil {
		err = errors.Join(stream.Send(req), stream.CloseSend())
	}
	finals := 0
	for err == nil {
		var resp *inference.ModelStreamInferResponse
		if resp, err = stream.Recv(); err != nil {
			break
		}
		if resp.GetErrorMessage() != "" {
			t.Fatal(resp.GetErrorMessage())
		}
		p := resp.GetInferResponse().GetParameters()
		if p["triton_final_response"].GetBoolParam() {
			finals++
		}
		if p["kind"].GetStringParam() == "preview" {
			previews++
			continue
		}
		data = append(data, resp.GetInferResponse().GetRawOutputContents()[0]...)
	}
	if !errors.Is(err, io.EOF) || finals != 1 {
		t.Fatalf("%v after %d final responses", err, finals)
	}
	return data, previews
}

// TestInferenceScore: NAME.score is the network. N(0, I) with noise sigma has the score -x/(1+sigma²).
func TestInferenceScore(t *testing.T) {
	r := start(t, nil)
	client := inference.NewGRPCInferenceServiceClient(r.conn)
	resp, err := client.ModelInfer(t.Context(), &inference.ModelInferRequest{
		ModelName: "gauss.score", ModelVersion: "1",
		Inputs: []*inference.ModelInferRequest_InferInputTensor{
			{Name: "x", Datatype: "FP32", Shape: []int64{2, 2},
				Contents: &inference.InferTensorContents{Fp32Contents: []float32{1, 2, 3, -4}}},
			{Name: "sigma", Datatype: "FP32", Shape: []int64{1},
				Contents: &inference.InferTensorContents{Fp32Contents: []float32{2}}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, x := range []float64{1, 2, 3, -4} {
		if got := float64(resp.GetOutputs()[0].GetContents().GetFp32Contents()[i]); math.Abs(got+x/5) > 1e-6 {
			t.Errorf("score of %g is %g", x, got)
		}
	}
}

// TestInferenceStreamErrors tests Triton's two ways to report an error.
func TestInferenceStreamErrors(t *testing.T) {
	r := start(t, nil)
	client := inference.NewGRPCInferenceServiceClient(r.conn)
	bad := &inference.ModelInferRequest{ModelName: "gauss", Id: "bad",
		Parameters: map[string]*inference.InferParameter{"steps": whole(1)}}
	good := &inference.ModelInferRequest{ModelName: "gauss", Id: "good"}
	stream, err := client.ModelStreamInfer(t.Context())
	if err == nil {
		err = errors.Join(stream.Send(bad), stream.Send(good), stream.CloseSend())
	}
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := stream.Recv(); err != nil || resp.GetErrorMessage() == "" ||
		resp.GetInferResponse().GetId() != "bad" {
		t.Errorf("the bad request gives %v, %v", resp, err)
	}
	if resp, err := stream.Recv(); err != nil || resp.GetErrorMessage() != "" ||
		resp.GetInferResponse().GetId() != "good" {
		t.Errorf("the good request gives %v, %v", resp, err)
	}
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
	stream, err = client.ModelStreamInfer(metadata.AppendToOutgoingContext(t.Context(), "triton_grpc_error", "true"))
	if err == nil {
		err = stream.Send(bad)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); status.Code(err) != codes.InvalidArgument || reason(err) != langevinv1.ReasonInvalid {
		t.Errorf("asked for a status, the client gets %v", err)
	}
}

// TestInferenceRepository: models are unloaded and loaded as by AdminService, and on the same listeners.
func TestInferenceRepository(t *testing.T) {
	r := start(t, nil)
	client := inference.NewGRPCInferenceServiceClient(r.conn)
	states := func() (found string) {
		index, err := client.RepositoryIndex(t.Context(), &inference.RepositoryIndexRequest{Ready: true})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range index.GetModels() {
			if m.GetName() == "gauss" || m.GetName() == "gauss.score" {
				found += m.GetName() + " " + m.GetState() + ";"
			}
		}
		return found
	}
	const both = "gauss READY;gauss.score READY;"
	if got := states(); got != both {
		t.Errorf("at first: %q", got)
	}
	if _, err := client.RepositoryModelUnload(t.Context(),
		&inference.RepositoryModelUnloadRequest{ModelName: "gauss"}); err != nil || states() != "" {
		t.Errorf("unloaded: %q, %v", states(), err)
	}
	if _, err := client.RepositoryModelLoad(t.Context(),
		&inference.RepositoryModelLoadRequest{ModelName: "gauss"}); err != nil || states() != both {
		t.Errorf("loaded again: %q, %v", states(), err)
	}
	config := map[string]*inference.ModelRepositoryParameter{"config": {}}
	if _, err := client.RepositoryModelLoad(t.Context(),
		&inference.RepositoryModelLoadRequest{ModelName: "gauss",
			Parameters: config}); status.Code(err) != codes.InvalidArgument {
		t.Errorf("with a configuration: %v", err)
	}
	public := start(t, func(c *server.Config) { c.Listen = ":0" })
	client = inference.NewGRPCInferenceServiceClient(public.conn)
	if _, err := client.RepositoryModelUnload(t.Context(),
		&inference.RepositoryModelUnloadRequest{ModelName: "gauss"}); status.Code(err) != codes.PermissionDenied {
		t.Errorf("anybody may unload: %v", err)
	}
}

// TestServerVersion: the program's version is the one that its server reports, and not the module's of a build from a
// checkout.
func TestServerVersion(t *testing.T) {
	r := start(t, func(c *server.Config) { c.Version = "v1.2.3" })
	m, err := inference.NewGRPCInferenceServiceClient(r.conn).ServerMetadata(t.Context(),
		&inference.ServerMetadataRequest{})
	if err != nil || m.GetVersion() != "v1.2.3" {
		t.Errorf("version %q, %v", m.GetVersion(), err)
	}
}
