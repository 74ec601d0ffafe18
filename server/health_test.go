package server

import (
	"fmt"
	"testing"

	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/server/host"
)

// TestHealthOfManyModels: every model and version has its health, however many there are, and the list has all of them.
func TestHealthOfManyModels(t *testing.T) {
	const many = 300
	board := newHealthBoard("service")
	var all []host.Status
	for i := range many {
		all = append(all, host.Status{
			Entry: models.Entry{Name: fmt.Sprintf("m%d", i), Version: 2}, State: host.StateReady,
		})
	}
	board.publish(all, true)
	want := func(name string, serving bool) {
		t.Helper()
		resp, err := board.Check(t.Context(), &healthv1.HealthCheckRequest{Service: name})
		if err != nil || resp.GetStatus() != statusOf(serving) {
			t.Errorf("%q is %v, %v", name, resp.GetStatus(), err)
		}
	}
	for i := range many {
		want(fmt.Sprintf("model/m%d", i), true)
		want(fmt.Sprintf("model/m%d/2", i), true)
	}
	list, err := board.List(t.Context(), &healthv1.HealthListRequest{})
	if n := len(list.GetStatuses()); err != nil || n != 2*many+3 { // the server, a service and liveness too
		t.Errorf("%d names are listed, %v", n, err)
	}
	board.publish(all[1:], true)
	want("model/m0", false)
	want("service", true)
	board.stop()
	want("model/m1", false)
	want("liveness", true)
}
