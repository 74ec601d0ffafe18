package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// service is a server in its own process.
type service struct {
	name    string
	process *exec.Cmd
	address string
}

// startLangevin starts langevin serve on the networks.
func (b *bench) startLangevin(ctx context.Context) (*service, error) {
	s := &service{name: ours, process: exec.CommandContext(ctx, b.settings.langevin, "serve", "--listen", "localhost:0",
		"--http-listen", "",
		"--models-dir", filepath.Join(b.settings.networks,
			"models"), "--models-default", "toy", "--log-format", "json")}
	log, err := s.process.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := s.process.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", b.settings.langevin, err)
	}
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		var entry struct{ Msg, Address string }
		if json.Unmarshal(lines.Bytes(), &entry) == nil && entry.Msg == "serving" {
			s.address = entry.Address
			go func() { _, _ = io.Copy(io.Discard, log) }() // until the process ends
			return s, nil
		}
	}
	return nil, errors.Join(errors.New("langevin serve ended before it served"), s.process.Wait())
}

// startOneAtATime starts the Python server on the toy network.
func (b *bench) startOneAtATime(ctx context.Context) (*service, error) {
	n := b.networks["toy"]
	text, err := json.Marshal(n.manifest)
	if err != nil {
		return nil, err
	}
	manifest := filepath.Join(b.settings.networks, "manifest.json")
	if err := os.WriteFile(manifest, text, 0o644); err != nil {
		return nil, err
	}
	s := &service{name: "one at a time", process: exec.CommandContext(ctx, b.settings.python,
		"bench/peers/one_at_a_time.py", n.path, manifest, "1")}
	s.process.Stderr = os.Stderr
	out, err := s.process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.process.Start(); err != nil {
		return nil, fmt.Errorf("start the Python server: %w", err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, errors.Join(errors.New("the Python server ended before it served"), s.process.Wait())
	}
	s.address = "localhost:" + strings.TrimSpace(line)
	return s, nil
}

// stop stops the server and waits for it.
func (s *service) stop() error {
	if err := s.process.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	_ = s.process.Wait() // a Python server does not exit cleanly
	return nil
}

// loadReport is the part of langevin bench's report that is used here.
type loadReport struct {
	Clients   int
	Completed int
	Errors    map[string]int
	PerSecond struct{ Requests, Samples float64 } `json:"per_second"`
	Latency   struct{ P50, P99 float64 }          `json:"latency_seconds"`
	Differing int                                 `json:"results_differing"`
}

const (
	serviceClients = 64
	serviceChains  = 16
	serviceSteps   = 1000 // steps of the toy's default sampler
)

// runLoad runs langevin bench against a server.
func (b *bench) runLoad(ctx context.Context, s *service, arguments ...string) (l loadReport, err error) {
	warmup := b.effort.service / 4
	command := exec.CommandContext(ctx, b.settings.langevin, append([]string{
		"bench", "--server", s.address, "--model", "toy", "--chains", strconv.Itoa(serviceChains), "--json",
		"--warmup", warmup.String(), "--duration", b.effort.service.String(),
	}, arguments...)...)
	command.Stderr = os.Stderr
	out, err := command.Output()
	if err != nil {
		return l, fmt.Errorf("langevin bench against %s: %w", s.name, err)
	}
	if err := json.Unmarshal(out, &l); err != nil {
		return l, fmt.Errorf("langevin bench: %w", err)
	}
	for outcome, n := range l.Errors {
		log.Printf("%s: %d requests: %s", s.name, n, outcome)
	}
	return l, nil
}

// runLoadAlone is like runLoad but repeats disturbed measurements.
func (b *bench) runLoadAlone(ctx context.Context, s *service, arguments ...string) (l loadReport, err error) {
	err = b.referee.measure(ctx, func() (err error) {
		l, err = b.runLoad(ctx, s, arguments...)
		return err
	})
	return l, err
}

// serviceRounds returns fewer rounds than for drawing in process, because each measurement of a service takes longer.
func (e effort) serviceRounds() int { return (e.rounds + 1) / 2 }

func (b *bench) compareServices(ctx context.Context, r *results) (err error) {
	servers, stop, err := b.startServices(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	r.throughput = map[string]series{}
	for round := range b.effort.serviceRounds() {
		for _, s := range servers {
			log.Printf("service %s, closed loop of %d clients, round %d", s.name, serviceClients, round+1)
			l, err := b.runLoadAlone(ctx, s, "--clients", strconv.Itoa(serviceClients))
			if err != nil {
				return err
			}
			r.throughput[s.name] = append(r.throughput[s.name], l.PerSecond.Samples)
		}
		rate, err := b.inProcessAlone(ctx, round)
		if err != nil {
			return err
		}
		r.inProcess = append(r.inProcess, rate)
	}
	return nil
}

func (b *bench) startServices(ctx context.Context) (servers []*service, stop func() error, err error) {
	stop = func() error {
		var errs []error
		for _, s := range servers {
			errs = append(errs, s.stop())
		}
		return errors.Join(errs...)
	}
	for _, start := range []func(context.Context) (*service, error){b.startLangevin, b.startOneAtATime} {
		s, err := start(ctx)
		if err != nil {
			return nil, nil, errors.Join(err, stop())
		}
		servers = append(servers, s)
	}
	return servers, stop, nil
}

// measureLatency measures our server's latency when it is idle, with one client and one request at a time, and at half
// of its throughput.
func (b *bench) measureLatency(ctx context.Context, r *results) (err error) {
	s, err := b.startLangevin(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	r.halfRate = r.throughput[ours].median() / serviceChains / 2
	for round := range b.effort.serviceRounds() {
		log.Printf("latency, idle and at %.3g requests a second, round %d", r.halfRate, round+1)
		idle, err := b.runLoadAlone(ctx, s, "--clients", "1")
		if err != nil {
			return err
		}
		half, err := b.runLoadAlone(ctx, s, "--rate", fmt.Sprint(r.halfRate), "--seed", strconv.Itoa(round+1))
		if err != nil {
			return err
		}
		r.idle.add(idle)
		r.half.add(half)
	}
	return nil
}

// latencies are the latencies in several reports.
type latencies struct{ p50, p99 series }

func (l *latencies) add(one loadReport) {
	l.p50 = append(l.p50, one.Latency.P50)
	l.p99 = append(l.p99, one.Latency.P99)
}
