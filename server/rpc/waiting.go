package rpc

import (
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// wait sends waiting events for a call that has not started, so that its client can tell it from one whose server is
// frozen.
type wait struct {
	send  func(*langevinv1.SampleResponse) error
	began time.Time

	mu    sync.Mutex
	timer *time.Timer // nil once the wait has ended, or if the request wants no events
}

// waitFor begins the wait of a call. The caller has to call end before it sends anything itself, and before it returns.
func waitFor(req *langevinv1.SampleRequest, send func(*langevinv1.SampleResponse) error) *wait {
	w := &wait{send: send, began: time.Now()}
	if req.GetWaiting() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.timer = time.AfterFunc(progressEvery, w.beat)
	}
	return w
}

// beat sends an event. It stops at the first one that cannot be sent: the call then notices, too.
func (w *wait) beat() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer == nil {
		return
	}
	event := &langevinv1.Waiting{Elapsed: durationpb.New(time.Since(w.began))}
	if w.send(&langevinv1.SampleResponse{Event: &langevinv1.SampleResponse_Waiting{Waiting: event}}) == nil {
		w.timer.Reset(progressEvery)
	}
}

// end ends the wait. No event is sent afterwards. It may be called again.
func (w *wait) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer != nil {
		w.timer.Stop()
		w.timer = nil
	}
}
