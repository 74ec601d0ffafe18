package survival_test

import (
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/models/modelstest"
	"github.com/langevin-ml/langevin/robustness/process"
	"github.com/langevin-ml/langevin/robustness/proxy"
)

// The versions of the model. Their files have one name and one version number, and other weights.
const (
	older = iota
	newer
	variants
)

// folders writes a folder of models for each variant.
func folders(t *testing.T) [variants]string {
	t.Helper()
	var all [variants]string
	for v := range all {
		all[v] = t.TempDir()
		path := filepath.Join(all[v], "walk", "1", models.FileName)
		file := modelstest.File(t, modelstest.MLP("SiLU", uint64(v)+1), modelstest.Manifest("walk", 2))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, file, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// replica is a server in a process of its own, behind a proxy at an address that stays. One goroutine disturbs it.
type replica struct {
	*process.Server
	proxy   *proxy.Proxy
	folders [variants]string
	variant int
	served  [variants]atomic.Int32 // processes that served each variant
}

// newReplica starts a server of the older variant.
func newReplica(t *testing.T, folders [variants]string) *replica {
	t.Helper()
	r := &replica{folders: folders}
	if err := r.start(older); err != nil {
		t.Fatal(err)
	}
	var err error
	if r.proxy, err = proxy.New(r.Address); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(r.proxy.Close(), r.Thaw(), r.Kill()); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the log of a replica:\n%s", r.Log())
		}
	})
	return r
}

// start starts the process, on a free port: the one of its predecessor may not be free yet.
func (r *replica) start(variant int) error {
	var err error
	r.Server, err = process.Start(*program, "", "--models-dir", r.folders[variant], "--models-default", "walk",
		"--workers", "1", "--drain-timeout", "2s")
	if err != nil {
		return err
	}
	r.variant = variant
	r.served[variant].Add(1)
	if r.proxy != nil {
		r.proxy.Retarget(r.Address)
	}
	return nil
}

// kill ends the process as kill -9 does, waits, and starts another one.
func (r *replica) kill(wait time.Duration, next int) error {
	if err := r.Kill(); err != nil {
		return err
	}
	if r.Wait(0) == nil {
		return errors.New("the process has not been killed: it ended by itself")
	}
	time.Sleep(wait)
	return r.start(next)
}

// restart lets the process finish its calls, as far as it has time to, and starts another one.
func (r *replica) restart(wait time.Duration, next int) error {
	if err := r.Terminate(); err != nil {
		return err
	}
	if err := r.Wait(time.Minute); err != nil {
		return err
	}
	time.Sleep(wait)
	return r.start(next)
}

// freeze stops the process for a while.
func (r *replica) freeze(wait time.Duration) error {
	if err := r.Freeze(); err != nil {
		return err
	}
	time.Sleep(wait)
	return r.Thaw()
}

// cutOff lets nothing through to the replica for a while.
func (r *replica) cutOff(wait time.Duration) {
	restore := r.proxy.Blackhole()
	time.Sleep(wait)
	restore()
}
