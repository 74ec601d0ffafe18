package server_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/langevin-ml/langevin/models/modelstest"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/server"
)

// putHostile writes hostile models to a folder, under names that start with a prefix. It returns the reasons for which
// each must be refused if the rules allow the operators. If kinds are given, it writes only those.
func putHostile(t *testing.T, dir, prefix string, kinds ...string) (reasons map[string]string, operators []string) {
	t.Helper()
	reasons = map[string]string{}
	for _, c := range modelstest.Hostile() {
		if len(kinds) > 0 && !slices.Contains(kinds, c.Name) {
			continue
		}
		name := prefix + strings.ToLower(strings.NewReplacer(" ", "-", "^", "", "'", "").Replace(c.Name))
		c.Manifest.Name = name
		reasons[name] = c.Refusal
		operators = append(operators, c.Allow...)
		putModel(t, dir, name, modelstest.File(t, c.Model(), c.Manifest))
	}
	slices.Sort(operators)
	return reasons, slices.Compact(operators)
}

// putModel writes a model file in one step.
func putModel(t *testing.T, dir, name string, data []byte) {
	t.Helper()
	folder, incoming := filepath.Join(dir, name, "1"), filepath.Join(dir, ".incoming")
	if err := errors.Join(os.MkdirAll(folder, 0o755), os.WriteFile(incoming, data, 0o644),
		os.Rename(incoming, filepath.Join(folder, "model.onnx"))); err != nil {
		t.Fatal(err)
	}
}

// TestHostileModels starts a server on a folder of hostile models, puts more into it while the server watches it, and
// asks the server to load some. All are refused with their reasons, and the sound model is served all the time.
func TestHostileModels(t *testing.T) {
	dir, aside := t.TempDir(), t.TempDir()
	putModel(t, dir, "gauss", modelstest.GaussianFile(t, "gauss", 2))
	reasons, operators := putHostile(t, dir, "")
	putModel(t, dir, "holes", nil)
	if err := os.Truncate(filepath.Join(dir, "holes/1/model.onnx"), 1<<30); err != nil {
		t.Fatal(err)
	}
	reasons["holes"] = "less than half is on the disk"
	r := start(t, func(c *server.Config) {
		c.Models.Dir, c.Models.Watch, c.Models.AllowOperators = dir, true, operators
		c.Models.ProofMemory, c.Models.ProofTime = 1<<30, time.Second
	})
	r.samplesUntil(t, func() bool { return r.refused(t, reasons) })

	reasons, _ = putHostile(t, aside, "later-", "loop without end", "least int32 divided by -1", "loop that doubles",
		"sparse tensor")
	for name := range reasons {
		if err := os.Rename(filepath.Join(aside, name), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	r.samplesUntil(t, func() bool { return r.refused(t, reasons) })

	admin := langevinv1.NewAdminServiceClient(r.conn)
	for name, reason := range reasons {
		_, err := admin.LoadModel(t.Context(), &langevinv1.LoadModelRequest{Name: name})
		if status.Code(err) != codes.FailedPrecondition || !says(err.Error(), reason) {
			t.Errorf("LoadModel of %s: %v: want %q", name, err, reason)
		}
	}
}

// says reports whether an error has a reason, or says that there was no time for it on a machine with other work.
func says(text, reason string) bool {
	return strings.Contains(text, reason) || strings.Contains(text, "it did not finish within")
}

// samplesUntil draws samples until done returns true.
func (r *running) samplesUntil(t *testing.T, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; {
		stream, err := r.sample(t.Context(), &langevinv1.SampleRequest{N: proto.Int64(10)})
		if err == nil {
			err = finish(stream)
		}
		if err != nil {
			t.Fatalf("the sound model is not served: %v", err)
		}
		if done() {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("it takes too long")
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// refused reports whether the server lists all the given models as failed. It complains about other reasons.
func (r *running) refused(t *testing.T, reasons map[string]string) bool {
	t.Helper()
	list, err := langevinv1.NewModelServiceClient(r.conn).ListModels(t.Context(), &langevinv1.ListModelsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	failed := 0
	for _, m := range list.GetModels() {
		reason, hostile := reasons[m.GetName()]
		switch {
		case !hostile || m.GetState() == langevinv1.ModelState_MODEL_STATE_LOADING:
		case m.GetState() != langevinv1.ModelState_MODEL_STATE_FAILED || !says(m.GetError(), reason):
			t.Errorf("%s is %v: %s: want %q", m.GetName(), m.GetState(), m.GetError(), reason)
		default:
			failed++
		}
	}
	return failed == len(reasons)
}

// TestLoadingModel: while a model loads, the server is ready, lists it, and refuses calls for it with a hint.
func TestLoadingModel(t *testing.T) {
	dir := t.TempDir()
	putModel(t, dir, "gauss", modelstest.GaussianFile(t, "gauss", 2))
	putLoop(t, dir)
	start := time.Now()
	r := startLoop(t, dir)
	if took := time.Since(start); took > 30*time.Second {
		t.Errorf("the server was ready after %v", took)
	}
	if got := r.health(t, "model/loop/1"); got != healthv1.HealthCheckResponse_NOT_SERVING {
		t.Errorf("health of the model is %v", got)
	}
	_, err := r.sample(t.Context(), &langevinv1.SampleRequest{Model: "loop", N: proto.Int64(1)})
	if status.Code(err) != codes.Unavailable {
		t.Fatalf("got %v", err)
	}
	var retry *errdetails.RetryInfo
	var info *errdetails.ErrorInfo
	for _, detail := range status.Convert(err).Details() {
		switch d := detail.(type) {
		case *errdetails.RetryInfo:
			retry = d
		case *errdetails.ErrorInfo:
			info = d
		}
	}
	if info.GetReason() != langevinv1.ReasonModelLoading || retry.GetRetryDelay().AsDuration() <= 0 {
		t.Errorf("details are %v and %v", info, retry)
	}
	admin := langevinv1.NewAdminServiceClient(r.conn)
	if _, err := admin.UnloadModel(t.Context(), &langevinv1.UnloadModelRequest{Name: "loop"}); err != nil {
		t.Error(err)
	}
}

// TestStopWhileLoading: a server that is stopped while its only model loads ends without an error, at once.
func TestStopWhileLoading(t *testing.T) {
	dir := t.TempDir()
	putLoop(t, dir)
	c := server.Default()
	c.Listen, c.Models.Dir, c.Models.Default = "localhost:0", dir, "loop"
	c.Models.AllowOperators = []string{"Loop"}
	r := launch(t, c)
	for deadline := time.Now().Add(time.Minute); r.health(t, "model/loop/1") == 0 && time.Now().Before(deadline); {
		time.Sleep(5 * time.Millisecond)
	}
	r.stop()
	r.awaitEnd(t)
}

// putLoop writes a model that never ends to a folder.
func putLoop(t *testing.T, dir string) {
	t.Helper()
	for _, c := range modelstest.Hostile() {
		if c.Name == "loop without end" {
			c.Manifest.Name = "loop"
			putModel(t, dir, "loop", modelstest.File(t, c.Model(), c.Manifest))
		}
	}
}

func startLoop(t *testing.T, dir string) *running {
	t.Helper()
	return start(t, func(c *server.Config) {
		c.Models.Dir, c.Models.AllowOperators = dir, []string{"Loop"}
	})
}
