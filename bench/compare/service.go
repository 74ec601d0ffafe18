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

// service is a server in a process of its own.
type service struct {
	name    string
	process *exec.Cmd
	address string
}

// startLangevin serves the networks as anyone would.
func (b *bench) startLangevin(ctx context.Context) (*service, error) {
	s := &service{name: ours, process: exec.CommandContext(ctx, b.settings.langevin, "serve", "--listen", "localhost:0", "--http-listen", "",
		"--models-dir", filepath.Join(b.settings.networks, "models"), "--models-default", "toy", "--log-format", "json")}
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
	s := &service{name: "one at a time", process: exec.CommandContext(ctx, b.settings.python, "bench/peers/one_at_a_time.py", n.path, manifest, "1")}
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

// stop ends the server and waits for it.
func (s *service) stop() error {
	if err := s.process.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	_ = s.process.Wait() // a Python server has no clean end
	return nil
}

// load is what langevin bench reports, as far as it is used here.
type load struct {
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
	serviceSteps   = 1000 // of the toy's default sampler
)

// loaded runs langevin bench against a server.
func (b *bench) loaded(ctx context.Context, s *service, arguments ...string) (l load, err error) {
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

// loadedAlone is loaded, while nothing else runs.
func (b *bench) loadedAlone(ctx context.Context, s *service, arguments ...string) (l load, err error) {
	err = b.referee.measure(ctx, func() (err error) {
		l, err = b.loaded(ctx, s, arguments...)
		return err
	})
	return l, err
}

// serviceRounds is less than that of the engines: a service is measured for longer at a time.
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
			l, err := b.loadedAlone(ctx, s, "--clients", strconv.Itoa(serviceClients))
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

// measureLatency compares our server at half of what it can with an idle one: one client, one request at a time.
func (b *bench) measureLatency(ctx context.Context, r *results) (err error) {
	s, err := b.startLangevin(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	r.halfRate = r.throughput[ours].median() / serviceChains / 2
	for round := range b.effort.serviceRounds() {
		log.Printf("latency, idle and at %.3g requests a second, round %d", r.halfRate, round+1)
		idle, err := b.loadedAlone(ctx, s, "--clients", "1")
		if err != nil {
			return err
		}
		half, err := b.loadedAlone(ctx, s, "--rate", fmt.Sprint(r.halfRate), "--seed", strconv.Itoa(round+1))
		if err != nil {
			return err
		}
		r.idle.add(idle)
		r.half.add(half)
	}
	return nil
}

// latencies are those of several loads.
type latencies struct{ p50, p99 series }

func (l *latencies) add(one load) {
	l.p50 = append(l.p50, one.Latency.P50)
	l.p99 = append(l.p99, one.Latency.P99)
}
