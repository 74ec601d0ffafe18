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

// maxHealthNames is how many names the health service can list, less the empty one.
const maxHealthNames = 99

// healthBoard publishes the health of the server, its services and its models.
type healthBoard struct {
	server   *health.Server
	services []string // that can be used when any model can

	mu       sync.Mutex
	names    map[string]bool // that were published, the services' included
	told     []string        // names of others
	stopping bool
}

// newHealthBoard starts with everything not serving but the process's own life.
func newHealthBoard(services ...string) *healthBoard {
	b := &healthBoard{server: health.NewServer(), services: append([]string{""}, services...), names: map[string]bool{}}
	for _, service := range b.services {
		b.set(service, false)
	}
	b.server.SetServingStatus(livenessService, healthv1.HealthCheckResponse_SERVING)
	return b
}

// set publishes one name, as long as there is room for it. The caller holds mu, or is alone.
func (b *healthBoard) set(name string, serving bool) bool {
	if !b.names[name] && len(b.names) > maxHealthNames-1 { // liveness is there too
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

// publish sets the health of all names from the models: model/NAME serves if any version does, model/NAME/VERSION if that
// one does, and the services if any model does. It returns how many names found no room, and does nothing once stop has been
// called.
func (b *healthBoard) publish(models []host.Status) (left int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stopping {
		return 0
	}
	names, versions := map[string]bool{}, map[string]bool{}
	for name := range b.names { // what is gone does not serve
		names[name] = false
	}
	for _, name := range b.told {
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

// stop says that nothing is served any more. The process lives on: a prober that looks at "liveness" must not kill it
// while calls finish.
func (b *healthBoard) stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stopping = true
	for name := range b.names {
		b.set(name, false)
	}
}

// tell publishes one more name, which stays as it is until stop.
func (b *healthBoard) tell(name string, serving bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.told = append(b.told, name)
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
