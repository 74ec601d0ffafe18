package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"github.com/langevin-ml/langevin/sampling"
)

// peer is a Python process that answers the commands of bench/peers/lines.py.
type peer struct {
	name    string
	process *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
	loaded  string

	allowed  float64 // how far its scores may be off
	allCores bool    // it uses all cores, whatever number of threads it is told
}

type command map[string]any

// answer is a peer's answer. The command decides which fields it has.
type answer struct {
	Error   string
	Text    string
	Seconds float64
	Score   []float32
	Losses  []float64
	Moved   float64

	Evaluations float64 // of the network, for one sample
}

func startPeer(ctx context.Context, name, python string, script ...string) (*peer, error) {
	p := &peer{name: name, process: exec.CommandContext(ctx, python, script...)}
	p.process.Stderr = os.Stderr
	var err error
	if p.in, err = p.process.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = bufio.NewReader(out)
	if err := p.process.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	if _, err := p.ask(command{"do": "describe"}); err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p, nil
}

func (p *peer) ask(c command) (a answer, err error) {
	if err := json.NewEncoder(p.in).Encode(c); err != nil {
		return a, fmt.Errorf("%s: %w", p.name, err)
	}
	line, err := p.out.ReadBytes('\n')
	if err != nil {
		return a, fmt.Errorf("%s does not answer: %w", p.name, err)
	}
	if err := json.Unmarshal(line, &a); err != nil {
		return a, fmt.Errorf("%s: %w", p.name, err)
	}
	if a.Error != "" {
		return a, fmt.Errorf("%s: %s", p.name, a.Error)
	}
	return a, nil
}

func (p *peer) load(path string) error {
	if p.loaded == path {
		return nil
	}
	p.loaded = path
	_, err := p.ask(command{"do": "load", "path": path})
	return err
}

func (p *peer) score(n *network, x, sigma []float32) ([]float32, error) {
	if err := p.load(n.path); err != nil {
		return nil, err
	}
	shape := append([]int{len(sigma)}, n.manifest.Shape...)
	a, err := p.ask(command{"do": "score", "x": x, "shape": shape, "sigma": sigma})
	return a.Score, err
}

// anneal draws chains, repeat times.
func (p *peer) anneal(n *network, s sampling.AnnealedLangevin, chains, threads, repeat int) (time.Duration, error) {
	if err := p.load(n.path); err != nil {
		return 0, err
	}
	a, err := p.ask(command{
		"do": "anneal", "threads": threads, "repeat": repeat, "chains": chains, "shape": n.manifest.Shape,
		"sigmas": s.Schedule.Sigmas(), "steps_per_level": s.StepsPerLevel, "step_lr": s.StepLR,
		"low": n.manifest.Prior.Low, "high": n.manifest.Prior.High,
	})
	return time.Duration(a.Seconds * float64(time.Second)), err
}

// products multiplies matrices of size×size, repeat times in each of several threads.
func (p *peer) products(path string, size, threads, repeat int) (time.Duration, error) {
	if err := p.load(path); err != nil {
		return 0, err
	}
	a, err := p.ask(command{"do": "products", "size": size, "threads": threads, "repeat": repeat})
	return time.Duration(a.Seconds * float64(time.Second)), err
}

func (p *peer) close() error {
	_ = p.in.Close() // the peer exits at the end of its input
	if err := p.process.Wait(); err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	return nil
}
