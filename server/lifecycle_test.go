package server_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/models/modelstest"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/server"
)

// publish writes a model of samples of dim elements into a models folder in one step.
func publish(t *testing.T, dir, name string, dim int) {
	t.Helper()
	incoming, file := filepath.Join(dir, ".incoming"), filepath.Join(dir, name, "1", "model.onnx")
	if err := errors.Join(
		os.MkdirAll(filepath.Dir(file), 0o755),
		os.WriteFile(incoming, modelstest.GaussianFile(t, name, dim), 0o644),
		os.Rename(incoming, file),
	); err != nil {
		t.Fatal(err)
	}
}

// TestAdmin changes models while a call runs. The call ends on the version that it began with.
func TestAdmin(t *testing.T) {
	dir := folder(t)
	r := start(t, func(c *server.Config) { c.Models.Dir = dir })
	admin := langevinv1.NewAdminServiceClient(r.conn)
	model := langevinv1.NewModelServiceClient(r.conn)

	running, err := r.sample(t.Context(), &langevinv1.SampleRequest{N: proto.Int64(20_000)})
	if err != nil {
		t.Fatal(err)
	}
	publish(t, dir, "gauss", 3)
	if err := os.WriteFile(filepath.Join(dir, "torn/1/model.onnx"), modelstest.GaussianFile(t, "torn", 2),
		0o644); err != nil {
		t.Fatal(err)
	}
	reloaded, err := admin.ReloadModels(t.Context(), &langevinv1.ReloadModelsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if f := reloaded.GetFailures(); len(f) != 1 || f[0].GetName() != "foreign" {
		t.Errorf("failures are %v: want the file that is not a model", f)
	}
	r.waitHealthy(t, "model/torn/1")
	now, err := model.GetModel(t.Context(), &langevinv1.GetModelRequest{Name: "gauss"})
	if err != nil || len(now.GetModel().GetShape()) != 1 || now.GetModel().GetShape()[0] != 3 {
		t.Errorf("the model is %v (%v): want samples of 3", now, err)
	}
	if err := finish(running); err != nil {
		t.Errorf("the call that ran while its model was replaced: %v", err)
	}

	if _, err := admin.UnloadModel(t.Context(), &langevinv1.UnloadModelRequest{Name: "torn"}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.sample(t.Context(), &langevinv1.SampleRequest{Model: "torn"}); status.Code(err) != codes.NotFound {
		t.Errorf("sample an unloaded model: %v", err)
	}
	if got := r.health(t, "model/torn"); got.String() != "NOT_SERVING" {
		t.Errorf("health of an unloaded model is %v", got)
	}
	loaded, err := admin.LoadModel(t.Context(), &langevinv1.LoadModelRequest{Name: "torn"})
	if err != nil || len(loaded.GetModels()) != 1 ||
		loaded.GetModels()[0].GetState() != langevinv1.ModelState_MODEL_STATE_READY {
		t.Errorf("loaded %v, %v", loaded, err)
	}
	r.waitHealthy(t, "model/torn")
	for _, tt := range []struct {
		name    string
		version int32
		want    codes.Code
	}{{"", 0, codes.InvalidArgument}, {"NO", 0, codes.InvalidArgument}, {"torn", -1, codes.InvalidArgument}, {"nobody",
		0, codes.NotFound}, {"foreign", 0, codes.FailedPrecondition}} {
		if _, err := admin.LoadModel(t.Context(), &langevinv1.LoadModelRequest{Name: tt.name,
			Version: tt.version}); status.Code(err) != tt.want {
			t.Errorf("load %q %d: %v, want %v", tt.name, tt.version, err, tt.want)
		}
	}
	tear(t, dir, "gauss")
	if _, err := admin.ReloadModels(t.Context(), &langevinv1.ReloadModelsRequest{}); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{`msg="model not loaded" model=foreign `,
		`msg="model not loaded: a version that is in service stays" model=gauss `} {
		if !strings.Contains(r.log.String(), line) {
			t.Errorf("the log lacks %s:\n%s", line, r.log)
		}
	}
}

// tear replaces a published model by a file that is no model.
func tear(t *testing.T, dir, name string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name, "1", "model.onnx"), []byte("torn"), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestAdminIsPrivate: without tokens, AdminService is not served on an address that other machines reach. It is served
// on the admin listener.
func TestAdminIsPrivate(t *testing.T) {
	address := freePort(t)
	r := start(t, func(c *server.Config) { c.Listen, c.Admin.Listen = ":0", address })
	_, err := langevinv1.NewAdminServiceClient(r.conn).ReloadModels(t.Context(), &langevinv1.ReloadModelsRequest{})
	if code := status.Code(err); code == codes.OK {
		t.Errorf("anybody may reload: %v", err)
	}
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := langevinv1.NewAdminServiceClient(conn).ReloadModels(t.Context(),
		&langevinv1.ReloadModelsRequest{}); err != nil {
		t.Errorf("on the admin listener: %v", err)
	}
}

// TestWatch: a model that is copied into the folder, or into a new folder in it, is served without a reload.
func TestWatch(t *testing.T) {
	dir := folder(t)
	r := start(t, func(c *server.Config) { c.Models.Dir, c.Models.Watch = dir, true })
	publish(t, dir, "fresh", 2)
	r.waitHealthy(t, "model/fresh/1")
	if strings.Contains(r.log.String(), "may be missed") {
		t.Errorf("the watch logs a problem:\n%s", r.log)
	}
}

// TestConditionOverTheWire: GetModel says what a model may be given.
func TestConditionOverTheWire(t *testing.T) {
	dir := folder(t)
	given := models.Condition{Classes: 2, Names: []string{"cat", "dog"}, Dropped: true}
	model := modelstest.GaussianOfClass([][]float32{{1, 2}, {3, 4}, {0, 0}}, 2)
	file := filepath.Join(dir, "pets", "1", models.FileName)
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755),
		os.WriteFile(file, modelstest.File(t, model, modelstest.Conditional(given, "pets", 2)), 0o644)); err != nil {
		t.Fatal(err)
	}
	r := start(t, func(c *server.Config) { c.Models.Dir = dir })
	service := langevinv1.NewModelServiceClient(r.conn)
	for name, want := range map[string]*langevinv1.ModelCondition{
		"pets": {Classes: 2, Names: given.Names, Dropped: true}, "gauss": nil,
	} {
		got, err := service.GetModel(t.Context(), &langevinv1.GetModelRequest{Name: name})
		if err != nil || !proto.Equal(got.GetModel().GetCondition(), want) {
			t.Errorf("%s: condition %v, %v: want %v", name, got.GetModel().GetCondition(), err, want)
		}
	}
}

func TestAliasOverTheWire(t *testing.T) {
	r := start(t, func(c *server.Config) {
		withBuiltIn(c)
		if err := c.Models.Aliases.UnmarshalText([]byte("stable=gauss@1, latest=ring")); err != nil {
			t.Fatal(err)
		}
	})
	for name, want := range map[string]string{"stable": "gauss", "latest": "ring"} {
		got, err := langevinv1.NewModelServiceClient(r.conn).GetModel(t.Context(),
			&langevinv1.GetModelRequest{Name: name})
		if err != nil || got.GetModel().GetName() != want || len(got.GetModel().GetAliases()) != 1 ||
			got.GetModel().GetAliases()[0] != name {
			t.Errorf("%s is %v, %v: want %s", name, got, err, want)
		}
	}
	for _, bad := range []string{
		"stable", "stable=", "stable=ring@x", "stable=ring@4294967297", "a=ring,a=ring", "A=ring",
	} {
		var a server.Aliases
		err := a.UnmarshalText([]byte(bad))
		c := server.Default()
		c.Models.Aliases = a
		if err == nil && c.Validate() == nil {
			t.Errorf("aliases %q were accepted", bad)
		}
	}
}
