package server

import (
	"fmt"
	"maps"
	"slices"
	"sync"

	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/langevin-ml/langevin/server/host"
)

// maxHealthNames is the number of names that the health service can list, not counting the empty name.
const maxHealthNames = 99

// healthBoard publishes the health of the server, its services and its models.
type healthBoard struct {
	server   *health.Server
	services []string // services that can be used when any model can

	mu       sync.Mutex
	names    map[string]bool // published names, including services
	fixed    []string        // names that publish does not change
	stopping bool
}

// newHealthBoard returns a board on which only the liveness of the process is serving.
func newHealthBoard(services ...string) *healthBoard {
	b := &healthBoard{server: health.NewServer(), services: append([]string{""}, services...), names: map[string]bool{}}
	for _, service := range b.services {
		b.set(service, false)
	}
	b.server.SetServingStatus(livenessService, healthv1.HealthCheckResponse_SERVING)
	return b
}

// set publishes one name if there is room for it, and reports whether there was. The caller holds mu or is the only
// user.
func (b *healthBoard) set(name string, serving bool) bool {
	if !b.names[name] && len(b.names) > maxHealthNames-1 { // liveness takes one
		return false
	}
	b.names[name] = true
	status := healthv1.HealthCheckResponse_NOT_SERVING
	if serving {
		status = healthv1.HealthCheckResponse_SERVING
	}
	b.server.SetServingStatus(name, status)
	return true
}

// publish sets the health of all names from the models. model/NAME serves if any of its versions is ready,
// model/NAME/VERSION if that version is ready, and the services if any model is ready. publish returns the number of
// names for which there was no room. After stop it does nothing.
func (b *healthBoard) publish(models []host.Status) (left int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stopping {
		return 0
	}
	names, versions := map[string]bool{}, map[string]bool{}
	for name := range b.names { // names that are gone do not serve
		names[name] = false
	}
	for _, name := range b.fixed {
		delete(names, name)
	}
	for _, m := range models {
		ready, name := m.State == host.StateReady, "model/"+m.Entry.Name
		names[name] = names[name] || ready
		versions[fmt.Sprintf("%s/%d", name, m.Entry.Version)] = ready
		for _, service := range b.services {
			names[service] = names[service] || ready
		}
	}
	for name := range versions {
		delete(names, name)
	}
	for _, group := range []map[string]bool{names, versions} {
		for _, name := range slices.Sorted(maps.Keys(group)) {
			if !b.set(name, group[name]) {
				left++
			}
		}
	}
	return left
}

// stop sets all names to not serving. Liveness stays, because a prober that checks "liveness" must not kill the process
// while calls finish.
func (b *healthBoard) stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stopping = true
	for name := range b.names {
		b.set(name, false)
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
	status := healthv1.HealthCheckResponse_NOT_SERVING
	if ok {
		status = healthv1.HealthCheckResponse_SERVING
	}
	b.server.SetServingStatus(livenessService, status)
}
