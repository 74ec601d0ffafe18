package rpc_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/models/modelstest"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/server/batch"
	"github.com/langevin-ml/langevin/server/host"
	"github.com/langevin-ml/langevin/server/rpc"
)

// TestWaiting: while a model loads, a call that asks for it gets waiting events; another gets none. No two events of a
// call are further apart than promised.
func TestWaiting(t *testing.T) {
	zoo := fstest.MapFS{"points/1/model.onnx": {Data: modelstest.GaussianFile(t, "points", 2)}}
	repo, err := models.NewRepository(zoo, "", models.Rules{})
	if err != nil {
		t.Fatal(err)
	}
	const loading = 10 * time.Second
	for _, wants := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			h, err := host.New(repo, func(context.Context, models.File) (*rpc.Engine, error) {
				time.Sleep(loading)
				return &rpc.Engine{Scheduler: batch.New(&service{}, 2, batch.Config{}), Session: io.NopCloser(nil)}, nil
			}, host.Options{Default: "points"})
			if err != nil {
				t.Fatal(err)
			}
			last, waited, started := time.Now(), 0, false
			err = rpc.NewSampling(h, rpc.Limits{Chains: 100, Steps: 2000}).Draw(t.Context(),
				&langevinv1.SampleRequest{Waiting: wants}, func(r *langevinv1.SampleResponse) error {
					if gap := time.Since(last); wants && gap > langevinv1.EventEvery*3/2 {
						t.Errorf("%T came after %s", r.GetEvent(), gap)
					}
					last, started = time.Now(), started || r.GetStarted() != nil
					if r.GetWaiting() != nil {
						waited++
						if started {
							t.Error("a waiting event came after the started event")
						}
					}
					return nil
				})
			if want := int(loading / langevinv1.EventEvery); err != nil || !started ||
				wants && (waited < want-1 || waited > want) || !wants && waited > 0 {
				t.Errorf("wants them %t: %d waiting events, started %t, %v", wants, waited, started, err)
			}
			if err := h.Close(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestWaitingEnds: waiting events end with the call, whether it fails or its client has gone.
func TestWaitingEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		zoo := fstest.MapFS{"points/1/model.onnx": {Data: modelstest.GaussianFile(t, "points", 2)}}
		repo, err := models.NewRepository(zoo, "", models.Rules{})
		if err != nil {
			t.Fatal(err)
		}
		h, err := host.New(repo, func(context.Context, models.File) (*rpc.Engine, error) {
			time.Sleep(time.Second)
			return nil, errors.New("no kernel for this operator")
		}, host.Options{Default: "points"})
		if err != nil {
			t.Fatal(err)
		}
		ended := false
		err = rpc.NewSampling(h, rpc.Limits{Chains: 1, Steps: 2000}).Draw(t.Context(),
			&langevinv1.SampleRequest{Waiting: true}, func(*langevinv1.SampleResponse) error {
				if ended {
					t.Error("an event came after the call's end")
				}
				return errors.New("the client has gone")
			})
		ended = true
		if !errors.Is(err, host.ErrFailed) {
			t.Error(err)
		}
		time.Sleep(time.Minute)
		if err := h.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
}
