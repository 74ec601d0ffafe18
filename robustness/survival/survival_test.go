package survival_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/robustness/testmain"
)

// The sizes of a run. The steps make a call take some tenths of a second on one idle core.
const (
	chains     = 96
	requests   = 6 // that differ
	callers    = 6 // that call at the same time
	patience   = 2 * time.Minute
	retryDelay = 500 * time.Millisecond // the longest
	shortSteps = 1500
	longSteps  = 2500
)

// way is how a client makes calls.
type way struct {
	name    string
	options []client.Option
	preview *client.PreviewOptions
	repeats bool // the caller makes broken calls again, since the client does not
}

func ways(steps int) []way {
	states := &client.PreviewOptions{EverySteps: steps / 20, Chains: chains}
	resume, split := client.WithResume(), client.WithSplit(3)
	return []way{
		{name: "resume", options: []client.Option{resume}},
		{name: "resume from states", options: []client.Option{resume}, preview: states},
		{name: "split", options: []client.Option{split}, repeats: true},
		{name: "split and resume", options: []client.Option{split, resume}},
		{name: "split and resume from states", options: []client.Option{split, resume},
			preview: &client.PreviewOptions{EverySteps: steps / 20, Chains: chains / 3}},
	}
}

// TestSurvival: every call ends with the samples of an undisturbed call, whatever happens to the replicas. No chain is
// lost or delivered twice, and no samples of two versions of the model are mixed.
func TestSurvival(t *testing.T) {
	if *program == "" {
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		*program = self
	}
	s := &survival{t: t, seed: testmain.Seed(t, *seed, *long), stall: time.Second, steps: shortSteps, calls: 10}
	if *long {
		s.stall, s.steps, s.calls = 2*time.Second, longSteps, *calls
	}
	all := folders(t)
	s.draw(all)
	var replicas []*replica
	for range 3 {
		replicas = append(replicas, newReplica(t, all))
	}
	x := newTrouble(t, replicas, 3*s.stall)
	ctx, stop := context.WithCancel(t.Context())
	var disturbing sync.WaitGroup
	disturbing.Go(func() {
		if *long {
			x.at(ctx, s.seed)
		} else {
			x.once()
		}
	})
	begin := time.Now()
	s.run(replicas, x)
	stop()
	disturbing.Wait()
	x.check()
	t.Logf("%d calls in %s on 3 replicas: %s", s.ended, time.Since(begin).Round(time.Second), x)
	t.Logf("lost: %d; other bits: %d; bits equal: %d; resumed: %d, after silence: %d; repeated by their caller: %d",
		s.calls-s.ended, s.wrong, s.ended-s.wrong, s.resumed, len(s.noticed), s.repeated)
	t.Logf("of the newer version: %d calls", s.newer)
	s.checkNoticed()
}

// checkNoticed checks how long after their last event calls left a server that hung: the stall timeout, and the wait
// before another try.
func (s *survival) checkNoticed() {
	if len(s.noticed) == 0 {
		if *long {
			s.t.Error("no call noticed that its server hung")
		}
		return
	}
	slices.Sort(s.noticed)
	median, longest := s.noticed[len(s.noticed)/2], s.noticed[len(s.noticed)-1]
	promised := s.stall + retryDelay
	s.t.Logf("went on %s (median) to %s (longest) after the last event of a server that hung; promised: %s",
		median.Round(time.Millisecond), longest.Round(time.Millisecond), promised)
	if longest > promised+s.stall { // the machine may be busy
		s.t.Errorf("a hanging server was noticed after %s, want about %s", longest, promised)
	}
}

// once does each fault to one replica after the other.
func (x *trouble) once() {
	for i := range int(faults) {
		r := x.replicas[i%len(x.replicas)]
		for begin := x.count(fault(i)); x.count(fault(i)) == begin && !x.t.Failed(); {
			x.disturb(r, fault(i), x.longest*2/3, true)
		}
	}
}

func (x *trouble) count(f fault) int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.fired[f]
}

// survival is one run.
type survival struct {
	t     *testing.T
	seed  uint64
	stall time.Duration
	steps int
	calls int

	want map[string][]float32 // samples of undisturbed calls, by digest and seed

	mu                              sync.Mutex
	begun, ended                    int
	wrong, resumed, repeated, newer int
	noticed                         []time.Duration // how long after the last event a call left a server that hung
	digests                         [variants]string
}

func (s *survival) request(n int, w way) client.SampleRequest {
	return client.SampleRequest{
		Model: "walk", N: chains, Seed: new(uint64(n)), Preview: w.preview,
		Sampler: client.Langevin{Sigma: 1, Steps: s.steps, StepSize: 0.001},
	}
}

func key(digest string, seed uint64) string { return fmt.Sprint(digest, " ", seed) }

// draw draws every request of both variants, undisturbed.
func (s *survival) draw(folders [variants]string) {
	s.want = map[string][]float32{}
	for v := range folders {
		r := newReplica(s.t, folders)
		if v != older {
			if err := r.kill(0, v); err != nil {
				s.t.Fatal(err)
			}
		}
		c, err := client.New(r.Address)
		if err != nil {
			s.t.Fatal(err)
		}
		for n := range requests {
			res, err := c.Sample(s.t.Context(), s.request(n, way{}))
			if err != nil {
				s.t.Fatal(err)
			}
			s.digests[v] = res.Digest
			s.want[key(res.Digest, res.Seed)] = res.X
		}
		if err := errors.Join(c.Close(), r.Freeze()); err != nil { // it must not take time from the others
			s.t.Fatal(err)
		}
	}
}

// run makes all calls, and more until every fault has happened.
func (s *survival) run(replicas []*replica, x *trouble) {
	var addresses []string
	for _, r := range replicas {
		addresses = append(addresses, r.proxy.Address())
	}
	var clients []*client.Client
	all := ways(s.steps)
	for _, w := range all {
		c, err := client.New(strings.Join(addresses, ","), append(w.options, client.WithStallTimeout(s.stall),
			client.WithRetry(client.RetryPolicy{Attempts: 1000, MaxDelay: retryDelay}))...)
		if err != nil {
			s.t.Fatal(err)
		}
		defer c.Close()
		clients = append(clients, c)
	}
	var calling sync.WaitGroup
	for i := range callers {
		calling.Go(func() {
			rng := rand.New(rand.NewPCG(s.seed, 1000+uint64(i)))
			for s.next(x) {
				n := rng.IntN(len(all))
				s.call(clients[n], all[n], rng.IntN(requests))
			}
		})
	}
	calling.Wait()
}

// next reports whether another call is to be made.
func (s *survival) next(x *trouble) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.begun >= s.calls {
		missing := false
		for f := range faults {
			missing = missing || x.count(f) == 0
		}
		if !missing || s.t.Failed() {
			return false
		}
		s.calls++
	}
	s.begun++
	return true
}

// call makes one call and checks its end.
func (s *survival) call(c *client.Client, w way, n int) {
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	for {
		o, err := s.observe(c.Stream(ctx, s.request(n, w)), w)
		broken := errors.Is(err, client.ErrUnreachable) || errors.Is(err, client.ErrDraining)
		if w.repeats && broken && ctx.Err() == nil {
			s.mu.Lock()
			s.repeated++
			s.mu.Unlock()
			continue
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if err != nil {
			s.t.Errorf("%s, request %d: %v", w.name, n, err)
			return
		}
		s.ended++
		s.noticed = append(s.noticed, o.noticed...)
		s.resumed += o.resumed
		if o.digest == s.digests[newer] {
			s.newer++
		}
		if want, ok := s.want[key(o.digest, uint64(n))]; !ok || !slices.Equal(want, o.x) {
			s.wrong++
			s.t.Errorf("%s, request %d, digest %.8s: other bits than the undisturbed call", w.name, n, o.digest)
		}
		return
	}
}

// outcome is what a caller saw of a call.
type outcome struct {
	digest  string
	x       []float32
	resumed int
	noticed []time.Duration
}

// observe reads the events of a call. It does not rely on the client's own assembly of them.
func (s *survival) observe(stream *client.Stream, w way) (outcome, error) {
	o := outcome{}
	rows, done := 0, 0
	last := time.Now()
	for e, err := range stream.Events() {
		if err != nil {
			return o, err
		}
		switch e := e.(type) {
		case client.Started:
			o.digest = e.Digest
		case client.Chunk:
			if e.FirstChain != uint64(rows) {
				return o, fmt.Errorf("chunk of chain %d where %d is next", e.FirstChain, rows)
			}
			rows, o.x = rows+e.N, append(o.x, e.X...)
		case client.Resumed:
			o.resumed++
			if strings.Contains(e.Cause.Error(), "nothing came") && len(w.options) == 1 { // not split
				o.noticed = append(o.noticed, time.Since(last))
			}
		case client.Done:
			done++
		}
		last = time.Now()
	}
	if rows != chains || done != 1 {
		return o, fmt.Errorf("%d of %d chains and %d ends", rows, chains, done)
	}
	return o, nil
}
