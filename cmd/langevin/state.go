package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/training/data"
)

// stateFormat is what the first line of a state file says it is.
const stateFormat = "langevin-state-1"

// saveEvery is how often a running call's state is written; what is newer is written when the call ends.
const saveEvery = 5 * time.Second

// state is where the chains of a Sample call stand, with everything it takes to go on from there. Its file is this as one
// line of JSON, and then the states in NumPy's array format.
type state struct {
	Format        string                `json:"format"`
	Model         string                `json:"model"`
	Version       int                   `json:"version"`
	Digest        string                `json:"digest"`
	Engine        string                `json:"engine"`
	Seed          uint64                `json:"seed,string"`
	FirstChain    uint64                `json:"first_chain,string"`
	Step          int                   `json:"step"`
	Sampler       *samplerReport        `json:"sampler"`
	Inpainting    *client.Inpainting    `json:"inpainting,omitempty"`
	Colourisation *client.Colourisation `json:"colourisation,omitempty"`
	Columns       int                   `json:"columns,omitempty"`
	Guidance      *client.Guidance      `json:"guidance,omitempty"`

	x client.Batch
}

func newState(s client.Started, p client.Preview) state {
	saved := state{
		Format: stateFormat, Model: s.Model, Version: s.Version, Digest: s.Digest, Engine: s.Engine,
		Seed: s.Seed, FirstChain: s.FirstChain, Step: p.Step, Sampler: newSamplerReport(s.Sampler),
		Columns: s.Columns, Guidance: s.Guidance, x: p.Batch,
	}
	switch c := s.Condition.(type) {
	case client.Inpainting:
		saved.Inpainting = &c
	case client.Colourisation:
		saved.Colourisation = &c
	}
	return saved
}

// request asks for the rest of the way.
func (s state) request() client.SampleRequest {
	r := client.SampleRequest{
		Model: s.Model, Version: s.Version, N: s.x.N, Seed: &s.Seed, FirstChain: s.FirstChain,
		Sampler: s.Sampler.sampler(), Columns: s.Columns, Guidance: s.Guidance,
		Resume: &client.Resume{Digest: s.Digest, Step: s.Step, X: s.x},
	}
	switch {
	case s.Inpainting != nil:
		r.Condition = *s.Inpainting
	case s.Colourisation != nil:
		r.Condition = *s.Colourisation
	}
	return r
}

func (s state) write(w io.Writer) error {
	if err := writeJSON(w, s); err != nil {
		return err
	}
	return writeNPY(w, s.x)
}

func readState(path string) (state, error) {
	f, err := os.Open(path)
	if err != nil {
		return state{}, fmt.Errorf("read %s: %w", path, withoutPath(err))
	}
	defer f.Close()
	s, err := decodeState(bufio.NewReader(f))
	if err != nil {
		return state{}, fmt.Errorf("read %s: %w", path, withoutPath(err))
	}
	return s, nil
}

func decodeState(r *bufio.Reader) (state, error) {
	var s state
	line, err := r.ReadBytes('\n')
	if err != nil || json.Unmarshal(line, &s) != nil || s.Format != stateFormat || s.Sampler == nil {
		return state{}, fmt.Errorf("it is no state that sample --save-state has written")
	}
	a, err := data.DecodeNPY(r)
	if err != nil {
		return state{}, err
	}
	if len(a.Shape) < 2 || !a.Floats() {
		return state{}, fmt.Errorf("its states have shape %v: want one row for each chain", a.Shape)
	}
	s.x = client.Batch{X: a.Values, N: a.Shape[0], Shape: a.Shape[1:]}
	return s, nil
}

// sampler is the inverse of newSamplerReport.
func (r *samplerReport) sampler() client.Sampler {
	switch r.Kind {
	case "annealed_langevin":
		return client.AnnealedLangevin{
			Sigmas: r.Sigmas, StepsPerLevel: r.StepsPerLevel, StepLR: r.StepLR, Denoise: &r.Denoise, Consistent: &r.Consistent,
		}
	case "langevin":
		return client.Langevin{Sigma: r.Sigma, Steps: r.Steps, StepSize: r.StepSize, Denoise: &r.Denoise}
	case "predictor_corrector":
		return client.PredictorCorrector{
			Process: r.Process, SigmaMin: r.SigmaMin, SigmaMax: r.SigmaMax, BetaMin: r.BetaMin, BetaMax: r.BetaMax,
			Times: r.Times, Predictor: r.Predictor, Corrector: r.Corrector, CorrectorSteps: r.CorrectorSteps,
			SNR: r.SNR, Epsilon: r.Epsilon, Denoise: &r.Denoise,
		}
	case "probability_flow":
		return client.ProbabilityFlow{Sigmas: r.Sigmas, Steps: r.Steps, Method: r.Method, Denoise: &r.Denoise}
	}
	return nil
}

// stateFlags save where chains stand, and go on from there.
type stateFlags struct {
	save, resume string
	engine       string // of the state that is gone on from; empty for none
}

func (f *stateFlags) group() flagGroup {
	g := newFlagGroup("Interruptions")
	g.flags.StringVar(&f.save, "save-state", "", "keep the newest state of all chains in `FILE`, for --resume")
	g.flags.StringVar(&f.resume, "resume", "", "go on from the state in `FILE`, to the samples that the interrupted run would have drawn")
	return g
}

// fromState is the request for the rest of what --resume names. What the file says cannot be said again.
func (f *stateFlags) fromState(model string, given func(string) bool, others []string) (client.SampleRequest, error) {
	if model != "" {
		return client.SampleRequest{}, usagef("--resume takes the model from %s: leave out %s", f.resume, quoted(model))
	}
	for _, name := range others {
		if given(name) {
			return client.SampleRequest{}, usagef("--resume takes what to draw from %s: leave out --%s", f.resume, name)
		}
	}
	saved, err := readState(f.resume)
	if err != nil {
		return client.SampleRequest{}, err
	}
	f.engine = saved.Engine
	return saved.request(), nil
}

// check refuses what could be saved but not resumed.
func (f *stateFlags) check(out string, s client.Sampler) error {
	if f.save == "" {
		return nil
	}
	if strings.HasSuffix(strings.ToLower(out), ".gif") {
		return usagef("--save-state does not go with a .gif, which shows other states")
	}
	if flow, ok := s.(client.ProbabilityFlow); ok && cmp.Or(flow.Method, client.FlowHeun) != client.FlowEuler {
		return usagef("--save-state does not go with --method %s, whose steps remember earlier ones: want euler", cmp.Or(flow.Method, client.FlowHeun))
	}
	return nil
}

// keeper writes the states of a call to a file as they pass.
type keeper struct {
	flags   stateFlags
	warn    io.Writer
	started client.Started
	newest  *client.Preview // that is not written yet
	written time.Time
	step    int // of the state that is written
	saved   bool
	err     error
}

// watch has the call send every chain's state at the end of every level.
func (f *stateFlags) watch(request *client.SampleRequest, warn io.Writer) *keeper {
	if f.save != "" {
		request.Preview = &client.PreviewOptions{EveryLevel: true, Chains: request.N}
	}
	return &keeper{flags: *f, warn: warn, written: time.Now()}
}

func (k *keeper) see(e client.Event) {
	switch e := e.(type) {
	case client.Started:
		k.started = e
		if was := k.flags.engine; was != "" && was != e.Engine {
			fmt.Fprintf(k.warn, "langevin: the state comes from %s and goes on with %s: the last digits may differ\n", strconv.Quote(was), strconv.Quote(e.Engine))
		}
	case client.Preview:
		if k.flags.save == "" || e.Step >= k.started.Steps {
			return
		}
		k.newest = &e
		if time.Since(k.written) >= saveEvery {
			k.flush()
		}
	}
}

// flush writes the newest state, if it is not written yet.
func (k *keeper) flush() {
	if k.newest == nil || k.err != nil {
		return
	}
	file, err := createFile(k.flags.save)
	if err == nil {
		defer file.discard()
		err = file.commit(newState(k.started, *k.newest).write)
	}
	k.step = k.newest.Step
	k.newest, k.written, k.err, k.saved = nil, time.Now(), err, err == nil
}

// end joins what became of the state to what became of the call, and says how to go on if it failed.
func (k *keeper) end(err error) error {
	k.flush()
	if err != nil && k.saved {
		fmt.Fprintf(k.warn, "langevin: the state after step %d is saved: go on with --resume %s\n", k.step, k.flags.save)
	}
	return cmp.Or(err, k.err)
}
