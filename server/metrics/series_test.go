package metrics

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// seriesFile lists every series: its name, its type and its labels. The tests of the dashboard and of the alerts in
// deploy read it.
const seriesFile = "testdata/series.txt"

var updateSeries = flag.Bool("update-series", false, "write "+seriesFile)

// TestSeries: the file has the series that a server has after everything has happened once.
func TestSeries(t *testing.T) {
	m := New(func() []State { return []State{{Model: "ring", Version: 1}} }, func() int64 { return 1 })
	happen(m)
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]string)
	for _, f := range families {
		if strings.HasPrefix(f.GetName(), "langevin_") || slices.Contains(standard(), f.GetName()) {
			found[f.GetName()] = describe(f)
		}
	}
	for _, name := range append(described(m), standard()...) {
		if found[name] == "" {
			t.Errorf("%s was not observed: let it happen in this test", name)
		}
	}
	want := strings.Join(slices.Sorted(maps.Values(found)), "")
	if *updateSeries {
		err = errors.Join(os.MkdirAll("testdata", 0o755), os.WriteFile(seriesFile, []byte(want), 0o644))
	}
	text, readErr := os.ReadFile(seriesFile)
	if err := errors.Join(err, readErr); err != nil || string(text) != want {
		t.Errorf("%s differs from the metrics, %v: run go test ./server/metrics -update-series", seriesFile, err)
	}
}

// standard lists the series of the Go client of Prometheus that the dashboard uses.
func standard() []string {
	return []string{"go_goroutines", "process_cpu_seconds_total", "process_resident_memory_bytes"}
}

// happen observes everything once.
func happen(m *Metrics) {
	m.CallEnded("Sample", "ring", "ok")
	m.SampleEnded("ring", time.Second)
	m.FirstEvent("ring", time.Second)
	m.Reloaded(nil)
	m.Detected("ring", []float64{0.5})
	m.LookedAtSource(nil)
	s := m.Scheduler("ring")
	s.Started(time.Second)
	s.Ticked(1, 2, time.Second)
	s.PreviewDropped()
	s.Freed(time.Second)
	c := m.Connections("grpc")
	c.Open(1)
	c.Refused("limits.max_connections")
	c.Failed()
}

// described returns the names of our series, observed or not.
func described(m *Metrics) []string {
	descriptions := make(chan *prometheus.Desc)
	go func() {
		m.registry.Describe(descriptions)
		close(descriptions)
	}()
	var names []string
	name := regexp.MustCompile(`fqName: "(langevin_[a-z_]+)"`)
	for d := range descriptions {
		if found := name.FindStringSubmatch(d.String()); found != nil {
			names = append(names, found[1])
		}
	}
	return names
}

func describe(f *dto.MetricFamily) string {
	var labels []string
	for _, l := range f.GetMetric()[0].GetLabel() {
		labels = append(labels, l.GetName())
	}
	line := fmt.Sprintf("%s %s %s", f.GetName(), strings.ToLower(f.GetType().String()), strings.Join(labels, ","))
	return strings.TrimSpace(line) + "\n"
}
