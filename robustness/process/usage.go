package process

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// OwnTime returns the time that this process has spent on all processors.
func OwnTime(t testing.TB) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// Usage is what a server uses at a moment.
type Usage struct {
	Resident    float64 // bytes of memory
	Peak        float64 // most bytes of memory since the process began
	Heap        float64 // bytes of objects in Go's heap, garbage included
	Goroutines  float64
	Threads     float64
	Descriptors float64
	OpenBytes   float64 // that open calls may hold
	OpenCalls   float64
	Running     float64 // chains that workers advance
	Waiting     float64 // chains that wait
}

// Usage reads the kernel's and the server's own figures.
func (s *Server) Usage() (Usage, error) {
	metrics, err := s.Metrics()
	if err != nil {
		return Usage{}, err
	}
	u := Usage{
		Heap: metrics["go_memstats_heap_alloc_bytes"], Goroutines: metrics["go_goroutines"],
		OpenBytes: metrics["langevin_open_bytes"], OpenCalls: metrics["langevin_open_calls"],
		Running: metrics["langevin_running_rows"], Waiting: metrics["langevin_queue_rows"],
	}
	folder := fmt.Sprintf("/proc/%d", s.PID())
	status, err := os.ReadFile(folder + "/status")
	if err != nil {
		return Usage{}, err
	}
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		number, _ := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 64) // 0 for words
		switch name {
		case "VmRSS":
			u.Resident = number * 1024
		case "VmHWM":
			u.Peak = number * 1024
		case "Threads":
			u.Threads = number
		}
	}
	files, err := os.ReadDir(folder + "/fd")
	u.Descriptors = float64(len(files))
	return u, err
}

// Metrics scrapes the admin listener. It sums each metric over its labels.
func (s *Server) Metrics() (map[string]float64, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.Admin+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, errors.New("metrics: " + response.Status)
	}
	return sums(response.Body)
}

// sums adds up the samples of a scrape by the name of their metric.
func sums(scrape io.Reader) (map[string]float64, error) {
	metrics := map[string]float64{}
	lines := bufio.NewScanner(scrape)
	for lines.Scan() {
		line := lines.Text()
		at := strings.LastIndexByte(line, ' ')
		if at < 0 || strings.HasPrefix(line, "#") {
			continue
		}
		value, err := strconv.ParseFloat(line[at+1:], 64)
		if err != nil {
			return nil, fmt.Errorf("metrics: %q: %w", line, err)
		}
		name, _, _ := strings.Cut(line[:at], "{")
		metrics[name] += value
	}
	return metrics, lines.Err()
}
