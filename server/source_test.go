package server_test

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/langevin-ml/langevin/models/modelstest"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/server"
)

// TestModelSource: a server brings its models from a source, notices what changes there, refuses what a folder's models
// are refused for, and starts without the source if it had been there once.
func TestModelSource(t *testing.T) {
	from, cache := t.TempDir(), t.TempDir()
	putModel(t, from, "gauss", modelstest.GaussianFile(t, "gauss", 2))
	settings := func(c *server.Config) {
		c.Models.Dir, c.Models.Source, c.Models.Cache = "", "file://"+from, cache
		c.Models.Poll = 20 * time.Millisecond
	}
	r := start(t, settings)
	r.samplesUntil(t, func() bool { return true })
	putModel(t, from, "later", modelstest.GaussianFile(t, "later", 3))
	putModel(t, from, "other", modelstest.GaussianFile(t, "another", 3))
	r.waitHealthy(t, "model/later")
	if got := r.health(t, "model/other"); got == healthv1.HealthCheckResponse_SERVING {
		t.Errorf("a file whose manifest has another name: %v", got)
	}
	if err := os.Rename(from, from+"-away"); err != nil {
		t.Fatal(err)
	}
	reloaded, err := langevinv1.NewAdminServiceClient(r.conn).ReloadModels(t.Context(),
		&langevinv1.ReloadModelsRequest{})
	if err != nil || len(reloaded.GetFailures()) == 0 ||
		!strings.Contains(reloaded.GetFailures()[0].GetError(), from) ||
		reloaded.GetFailures()[0].GetName() != "models.source" {
		t.Errorf("a reload without the source: %v, %v", reloaded.GetFailures(), err)
	}
	r.samplesUntil(t, func() bool { return true })
	r.stop()
	r.awaitEnd(t)
	again := start(t, settings)
	again.waitHealthy(t, "model/later")
	if !strings.Contains(again.log.String(), "models.source cannot be read: serving what it had") {
		t.Errorf("no warning in the log:\n%s", again.log)
	}
	time.Sleep(100 * time.Millisecond)
	if n := strings.Count(again.log.String(), "models.source cannot be read"); n != 1 {
		t.Errorf("%d warnings of one failure:\n%s", n, again.log)
	}
	c := server.Default()
	settings(&c)
	c.Models.Cache = filepath.Join(t.TempDir(), "new")
	if _, err := server.New(c, slog.New(slog.DiscardHandler)); err == nil ||
		!strings.Contains(err.Error(), "models.source: mirror file://"+from+": ") {
		t.Errorf("without the source and a mirror: %v", err)
	}
}

func TestModelSourceSettings(t *testing.T) {
	for want, change := range map[string]func(*server.ModelsConfig){
		`models.source: "ring" names no models: want oci://`: func(c *server.ModelsConfig) { c.Source = "ring" },
		"want nothing, since models.source is set": func(c *server.ModelsConfig) {
			c.Source, c.Dir = "s3://zoo", t.TempDir()
		},
		"models.poll is 1ms: want 0s, or 1s or more": func(c *server.ModelsConfig) {
			c.Source, c.Poll = "s3://zoo", time.Millisecond
		},
		"models.poll is 1m0s: want models.source to be set": func(c *server.ModelsConfig) { c.Poll = time.Minute },
		`models.cache is "x": want models.source to be set`: func(c *server.ModelsConfig) { c.Cache = "x" },
	} {
		c := server.Default()
		change(&c.Models)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", errors.Unwrap(err), want)
		}
	}
}
