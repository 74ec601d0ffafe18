package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"strings"

	"github.com/langevin-ml/langevin/client"
)

// memoryCase is one request to a fresh server.
type memoryCase struct {
	chains, steps int
}

// memoryResult is the server's largest resident size.
type memoryResult struct {
	memoryCase
	before, peak int64 // bytes; 0 if the system does not report it
}

// growth returns how much the request added to the server's size. Two fresh servers differ in the memory that they used
// to load their models.
func (m memoryResult) growth() int64 { return m.peak - m.before }

func (b *bench) measureMemory(ctx context.Context, r *results) error {
	for _, c := range []memoryCase{{b.effort.chains, 50}, {b.effort.chains / 100, 50}, {b.effort.chains / 100, 2000}} {
		log.Printf("memory of %s chains of %d steps", thousands(c.chains), c.steps)
		result, err := b.measureRequest(ctx, c)
		if err != nil {
			return err
		}
		r.memory = append(r.memory, result)
	}
	return nil
}

func (b *bench) measureRequest(ctx context.Context, c memoryCase) (m memoryResult, err error) {
	s, err := b.startLangevin(ctx)
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	m = memoryResult{memoryCase: c, before: peakBytes(s.process.Process.Pid)}
	remote, err := client.New(s.address)
	if err != nil {
		return m, err
	}
	defer remote.Close()
	levels := len(b.networks["toy"].manifest.Sigmas)
	res, err := remote.Sample(ctx, client.SampleRequest{
		Model: "toy", N: c.chains, Sampler: client.AnnealedLangevin{StepsPerLevel: c.steps / levels},
	})
	if err != nil {
		return m, err
	}
	if want := int64(c.chains) * int64(c.steps); res.NFE != want {
		return m, fmt.Errorf("%d score evaluations: want %d", res.NFE, want)
	}
	m.peak = peakBytes(s.process.Process.Pid)
	return m, nil
}

// peakBytes returns the largest resident size that a process has had, or 0 if Linux does not report it.
func peakBytes(pid int) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		var kilobytes int64
		if n, _ := fmt.Sscanf(line, "VmHWM: %d kB", &kilobytes); n == 1 {
			return kilobytes << 10
		}
	}
	return 0
}
