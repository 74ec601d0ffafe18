package server

import (
	"context"
	"fmt"
	"sync"

	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/langevin-ml/langevin/server/host"
)

// healthBoard publishes the health of the server, its services and its models. It answers grpc.health.v1.Health.
type healthBoard struct {
	*health.Server
	services []string // services that can be used when any model can

	mu       sync.Mutex
	names    map[string]bool // whether each published name serves
	fixed    []string        // names that publish does not change
	stopping bool
}

// newHealthBoard returns a board on which only the liveness of the process is serving.
func newHealthBoard(services ...string) *healthBoard {
	b := &healthBoard{Server: health.NewServer(), services: append([]string{""}, services...), names: map[string]bool{}}
	for _, service := range b.services {
		b.set(service, false)
	}
	b.set(livenessService, true)
	b.fixed = append(b.fixed, livenessService)
	return b
}

// set publishes one name. The caller holds mu or is the only user.
func (b *healthBoard) set(name string, serving bool) {
	b.names[name] = serving
	b.SetServingStatus(name, statusOf(serving))
}

func statusOf(serving bool) healthv1.HealthCheckResponse_ServingStatus {
	if serving {
		return healthv1.HealthCheckResponse_SERVING
	}
	return healthv1.HealthCheckResponse_NOT_SERVING
}

// List returns the health of every name. gRPC's own server refuses to list more than 100.
func (b *healthBoard) List(context.Context, *healthv1.HealthListRequest) (*healthv1.HealthListResponse, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := &healthv1.HealthListResponse{Statuses: make(map[string]*healthv1.HealthCheckResponse, len(b.names))}
	for name, serving := range b.names {
		all.Statuses[name] = &healthv1.HealthCheckResponse{Status: statusOf(serving)}
	}
	return all, nil
}

// publish sets the health of all names from the models. model/NAME serves if any of its versions is ready,
// model/NAME/VERSION if that version is ready, and the services if any model is ready and the default model does not
// load any more. After stop it does nothing.
func (b *healthBoard) publish(models []host.Status, settled bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stopping {
		return
	}
	names := map[string]bool{}
	for name := range b.names { // names that are gone do not serve
		names[name] = false
	}
	for _, name := range b.fixed {
		delete(names, name)
	}
	for _, m := range models {
		ready, name := m.State == host.StateReady, "model/"+m.Entry.Name
		names[name] = names[name] || ready
		names[fmt.Sprintf("%s/%d", name, m.Entry.Version)] = ready
		for _, service := range b.services {
			names[service] = names[service] || ready && settled
		}
	}
	for name, serving := range names {
		b.set(name, serving)
	}
}

// stop sets all names to not serving. Liveness stays, because a prober that checks "liveness" must not kill the process
// while calls finish.
func (b *healthBoard) stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stopping = true
	for name := range b.names {
		if name != livenessService {
			b.set(name, false)
		}
	}
}

// fix publishes one more name, which keeps its health until stop.
func (b *healthBoard) fix(name string, serving bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fixed = append(b.fixed, name)
	b.set(name, serving)
}

// live publishes whether the process works at all.
func (b *healthBoard) live(ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.set(livenessService, ok)
}
