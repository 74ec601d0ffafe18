package server_test

import (
	"errors"
	"log/slog"
	"runtime"
	"strings"
	"testing"

	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/proto"

	"github.com/langevin-ml/langevin/ort"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/server"
	"github.com/langevin-ml/langevin/server/batch"
)

// TestCUDAOrNothing: the tests' library has no CUDA provider, so a server that is told to use CUDA does not start.
func TestCUDAOrNothing(t *testing.T) {
	c := server.Default()
	c.Device = "cuda:1"
	_, err := server.New(c, slog.New(slog.DiscardHandler))
	if err == nil {
		t.Skip("this machine has CUDA")
	}
	if !errors.Is(err, ort.ErrDeviceUnavailable) || !strings.Contains(err.Error(), "cuda:1: provider library") ||
		!strings.Contains(err.Error(), "langevin onnxruntime install --device cuda") {
		t.Errorf("error is %v", err)
	}
}

// Each of a GPU's workers takes a block that is worth it, so that some workers are on the host while others use the
// GPU.
func TestBlocksOfGPU(t *testing.T) {
	gpu := ort.Device{CUDA: true}
	if got, want := server.Workers(gpu), min(4, runtime.NumCPU()); got != want {
		t.Errorf("%d workers, want %d", got, want)
	}
	for dim, want := range map[int]batch.Config{
		2:        {Workers: 3, Rows: 4096, Grain: 1024},
		784:      {Workers: 3, Rows: 256, Grain: 32},
		3 * 1024: {Workers: 3, Rows: 256, Grain: 32},
		3 * 4096: {Workers: 3, Rows: 64, Grain: 16},
	} {
		if got := server.Blocks(gpu, 3, dim, nil, nil); got != want {
			t.Errorf("samples of %d: %+v, want %+v", dim, got, want)
		}
	}
}

// TestAutoSaysWhatItGot: a fallback to the CPU shows in the log, the model, the call, the metrics and the health.
func TestAutoSaysWhatItGot(t *testing.T) {
	address := freePort(t)
	r := start(t, func(c *server.Config) { c.Device, c.Admin.Listen = ort.DeviceAuto, address })
	if !strings.Contains(r.log.String(), "no GPU can be used") {
		t.Skip("this machine has CUDA")
	}
	if got := r.health(t, "device/cuda"); got != healthv1.HealthCheckResponse_NOT_SERVING {
		t.Errorf("health of device/cuda is %v", got)
	}
	model, err := langevinv1.NewModelServiceClient(r.conn).GetModel(t.Context(), &langevinv1.GetModelRequest{})
	if err != nil || model.GetModel().GetDevice() != "cpu" {
		t.Errorf("the model runs on %q (%v), want cpu", model.GetModel().GetDevice(), err)
	}
	stream, err := langevinv1.NewSamplingServiceClient(r.conn).Sample(t.Context(),
		&langevinv1.SampleRequest{N: proto.Int64(1)})
	if err != nil {
		t.Fatal(err)
	}
	if first, err := stream.Recv(); err != nil || !strings.Contains(first.GetStarted().GetEngine(), ", cpu,") {
		t.Errorf("the call's engine is %q (%v), want the CPU in it", first.GetStarted().GetEngine(), err)
	}
	if err := finish(stream); err != nil {
		t.Error(err)
	}
	if _, page := get(t, address, "/metrics"); !strings.Contains(page, `device="cpu"`) ||
		!strings.Contains(page, `requested="auto"`) {
		t.Error("the metrics do not show both the device in use and the requested one")
	}
}
