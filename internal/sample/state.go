package sample

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
	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/datafile"
	"github.com/langevin-ml/langevin/internal/drawing"
	"github.com/langevin-ml/langevin/internal/phrase"
	"github.com/langevin-ml/langevin/internal/wholefile"
	"github.com/langevin-ml/langevin/training/data"
)

// stateFormat is what the first line of a state file says it is.
const stateFormat = "langevin-state-1"

// saveEvery is how often a running call's state is written; what is newer is written when the call ends.
const saveEvery = 5 * time.Second

// state is where the chains of a Sample call stand, with everything it takes to go on from there. Its file is this as one
// line of JSON, and then the states in NumPy's array format.
type state struct {
	Format        string                 `json:"format"`
	Model         string                 `json:"model"`
	Version       int                    `json:"version"`
	Digest        string                 `json:"digest"`
	Engine        string                 `json:"engine"`
	Seed          uint64                 `json:"seed,string"`
	FirstChain    uint64                 `json:"first_chain,string"`
	Step          int                    `json:"step"`
	Sampler       *drawing.SamplerReport `json:"sampler"`
	Inpainting    *client.Inpainting     `json:"inpainting,omitempty"`
	Colourisation *client.Colourisation  `json:"colourisation,omitempty"`
	Columns       int                    `json:"columns,omitempty"`
	Guidance      *client.Guidance       `json:"guidance,omitempty"`

	x client.Batch
}

func newState(s client.Started, p client.Preview) state {
	saved := state{
		Format: stateFormat, Model: s.Model, Version: s.Version, Digest: s.Digest, Engine: s.Engine,
		Seed: s.Seed, FirstChain: s.FirstChain, Step: p.Step, Sampler: drawing.NewSamplerReport(s.Sampler),
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
		Sampler: s.Sampler.Sampler(), Columns: s.Columns, Guidance: s.Guidance,
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
	if err := cli.WriteJSON(w, s); err != nil {
		return err
	}
	return datafile.WriteNPY(w, s.x)
}

func readState(path string) (state, error) {
	f, err := os.Open(path)
	if err != nil {
		return state{}, fmt.Errorf("read %s: %w", path, wholefile.Cause(err))
	}
	defer f.Close()
	s, err := decodeState(bufio.NewReader(f))
	if err != nil {
		return state{}, fmt.Errorf("read %s: %w", path, wholefile.Cause(err))
	}
	return s, nil
}

func decodeState(r *bufio.Reader) (state, error) {
	var s state
	line, err := r.ReadBytes('\n')
	if err != nil || !isState(line) {
		return state{}, fmt.Errorf("it is no state that sample --save-state has written")
	}
	if err := json.Unmarshal(line, &s); err != nil {
		return state{}, err
	}
	if s.Sampler == nil {
		return state{}, fmt.Errorf("it does not say which sampler its states are of")
	}
	a, err := data.DecodeNPY(r)
	if err != nil {
		return state{}, err
	}
	if len(a.Shape) < 2 || !a.Numbers() {
		return state{}, fmt.Errorf("its states have shape %v: want one row for each chain", a.Shape)
	}
	s.x = client.Batch{X: a.Values, N: a.Shape[0], Shape: a.Shape[1:]}
	return s, nil
}

// isState reports whether a line is the first one of a state file.
func isState(line []byte) bool {
	var head struct {
		Format string `json:"format"`
	}
	return json.Unmarshal(line, &head) == nil && head.Format == stateFormat
}

// stateFlags save where chains stand, and go on from there.
type stateFlags struct {
	save, resume string
	engine       string // of the state that is gone on from; empty for none
}

func (f *stateFlags) group() cli.FlagGroup {
	g := cli.NewFlagGroup("Interruptions")
	g.Flags.StringVar(&f.save, "save-state", "", "keep the newest state of all chains in `FILE`, for --resume")
	g.Flags.StringVar(&f.resume, "resume", "", "go on from the state in `FILE`, to the samples that the interrupted run would have drawn")
	return g
}

// fromState is the request for the rest of what --resume names. What the file says cannot be said again.
func (f *stateFlags) fromState(model string, given func(string) bool, others []string) (client.SampleRequest, error) {
	if model != "" {
		return client.SampleRequest{}, cli.Usagef("--resume takes the model from %s: leave out %s", f.resume, phrase.Quoted(model))
	}
	for _, name := range others {
		if given(name) {
			return client.SampleRequest{}, cli.Usagef("--resume takes what to draw from %s: leave out --%s", f.resume, name)
		}
	}
	saved, err := readState(f.resume)
	if err != nil {
		return client.SampleRequest{}, err
	}
	f.engine = saved.Engine
	return saved.request(), nil
}

// check refuses to save what --resume cannot go on from.
func (f *stateFlags) check(out string) error {
	if f.save != "" && strings.HasSuffix(strings.ToLower(out), ".gif") {
		return cli.Usagef("--save-state does not go with a .gif, which shows other states")
	}
	return nil
}

// stateSaver writes the states of a call to a file as they pass.
type stateSaver struct {
	flags   stateFlags
	warn    io.Writer
	started client.Started
	newest  *client.Preview // that is not written yet
	written time.Time
	step    int // of the state that is written
	saved   bool
	err     error
	stop    func() // ends the call
	refused error  // why the call was ended
}

// watch has the call send every chain's state at the end of every level. It calls stop if there is no use in them.
func (f *stateFlags) watch(request *client.SampleRequest, warn io.Writer, stop func()) *stateSaver {
	if f.save != "" {
		request.Preview = &client.PreviewOptions{EveryLevel: true, Chains: request.N}
	}
	return &stateSaver{flags: *f, warn: warn, written: time.Now(), stop: stop}
}

func (k *stateSaver) see(e client.Event) {
	switch e := e.(type) {
	case client.Started:
		k.begin(e)
	case client.Preview:
		if k.flags.save == "" || k.refused != nil || e.Step >= k.started.Steps {
			return
		}
		k.newest = &e
		if time.Since(k.written) >= saveEvery {
			k.flush()
		}
	}
}

// begin ends a call from whose states none can go on.
func (k *stateSaver) begin(e client.Started) {
	k.started = e
	if was := k.flags.engine; was != "" && was != e.Engine {
		fmt.Fprintf(k.warn, "langevin: the state comes from %s and goes on with %s: the last digits may differ\n",
			strconv.Quote(was), strconv.Quote(e.Engine))
	}
	if k.flags.save != "" && (!e.Resumable || drawing.NewSamplerReport(e.Sampler) == nil) {
		k.refused = cli.Usagef("--save-state does not go with %s: --resume could not go on from its states", drawing.SamplerText(e.Sampler))
		k.stop()
	}
}

// flush writes the newest state, if it is not written yet.
func (k *stateSaver) flush() {
	if k.newest == nil || k.err != nil {
		return
	}
	file, err := wholefile.Create(k.flags.save)
	if err == nil {
		defer file.Discard()
		err = file.Commit(newState(k.started, *k.newest).write)
	}
	k.step = k.newest.Step
	k.newest, k.written, k.err, k.saved = nil, time.Now(), err, err == nil
}

// end joins what became of the state to what became of the call, and says how to go on if it failed.
func (k *stateSaver) end(err error) error {
	if k.refused != nil {
		return k.refused
	}
	k.flush()
	if err != nil && k.saved {
		fmt.Fprintf(k.warn, "langevin: the state after step %d is saved: go on with --resume %s\n", k.step, k.flags.save)
	}
	return cmp.Or(err, k.err)
}
