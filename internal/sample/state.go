package sample

import (
	"bufio"
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

// stateFormat is the format in the first line of a state file.
const stateFormat = "langevin-state-1"

// saveEvery is how often the state of a running call is written. The newest one is written when the call ends.
const saveEvery = 5 * time.Second

// state has the states of the chains of a Sample call, and everything else that is needed to continue it. Its file has
// this as one line of JSON, and then the states in NumPy's array format.
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

// request returns a request for the rest of the call.
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

// stateFlags has the flags to save the state of chains and to continue from it.
type stateFlags struct {
	save, resume string
	engine       string // that drew the state of --resume; empty without it
}

func (f *stateFlags) group() cli.FlagGroup {
	g := cli.NewFlagGroup("Interruptions")
	g.Flags.StringVar(&f.save, "save-state", "", "keep the newest state of all chains in `FILE`, for --resume")
	g.Flags.StringVar(&f.resume, "resume", "",
		"continue from the state in `FILE`, to the samples that the interrupted run would have drawn")
	return g
}

// fromState returns the request that continues the call in the file of --resume. Flags that repeat what the file says
// are refused.
func (f *stateFlags) fromState(model string, given func(string) bool, others []string) (client.SampleRequest, error) {
	if model != "" {
		return client.SampleRequest{}, cli.Usagef("--resume takes the model from %s: leave out %s", f.resume,
			phrase.Quoted(model))
	}
	for _, name := range others {
		if given(name) {
			return client.SampleRequest{}, cli.Usagef("--resume takes what to draw from %s: leave out --%s", f.resume,
				name)
		}
	}
	saved, err := readState(f.resume)
	if err != nil {
		return client.SampleRequest{}, err
	}
	f.engine = saved.Engine
	return saved.request(), nil
}

// check refuses to save what --resume could not continue, or where nothing can be written.
func (f *stateFlags) check(out string) error {
	if f.save != "" && strings.HasSuffix(strings.ToLower(out), ".gif") {
		return cli.Usagef("--save-state does not go with a .gif, which shows other states")
	}
	if f.save == "" {
		return nil
	}
	file, err := wholefile.Create(f.save)
	if err == nil {
		file.Discard()
	}
	return err
}

// stateSaver writes the newest state of a call to a file.
type stateSaver struct {
	flags   stateFlags
	warn    io.Writer
	started client.Started
	newest  *client.Preview // not written yet
	written time.Time
	step    int    // of the written state
	saved   bool   // a state, at some time
	err     error  // of the newest state: why it could not be written
	stop    func() // ends the call
	refused error  // why the call was ended
}

// watch adds to the request that the server sends the state of every chain at the end of every level, and returns what
// saves them. stop has to end the call; it is called if the states cannot be used.
func (f *stateFlags) watch(request *client.SampleRequest, warn io.Writer, stop func()) *stateSaver {
	if f.save != "" {
		request.Preview = &client.PreviewOptions{EveryLevel: true, Chains: request.N}
	}
	return &stateSaver{flags: *f, warn: warn, written: time.Now(), stop: stop}
}

func (s *stateSaver) see(e client.Event) {
	switch e := e.(type) {
	case client.Started:
		s.begin(e)
	case client.Preview:
		if s.flags.save == "" || s.refused != nil || e.Step >= s.started.Steps {
			return
		}
		s.newest = &e
		if time.Since(s.written) >= saveEvery {
			s.flush()
		}
	}
}

// begin ends the call if --resume could not continue from its states.
func (s *stateSaver) begin(e client.Started) {
	s.started = e
	if was := s.flags.engine; was != "" && was != e.Engine {
		fmt.Fprintf(s.warn, "langevin: the state comes from %s and goes on with %s: the last digits may differ\n",
			strconv.Quote(was), strconv.Quote(e.Engine))
	}
	if s.flags.save != "" && (!e.Resumable || drawing.NewSamplerReport(e.Sampler) == nil) {
		s.refused = cli.Usagef("--save-state does not go with %s: --resume could not go on from its states",
			drawing.SamplerText(e.Sampler))
		s.stop()
	}
}

// flush writes the newest state, unless it is written already. If it cannot be written, the file keeps an earlier one.
func (s *stateSaver) flush() {
	if s.newest == nil {
		return
	}
	file, err := wholefile.Create(s.flags.save)
	if err == nil {
		defer file.Discard()
		err = file.Commit(newState(s.started, *s.newest).write)
	}
	if err == nil {
		s.step, s.saved = s.newest.Step, true
	}
	s.newest, s.written, s.err = nil, time.Now(), err
}

// end writes the last state and returns why the call failed, if it did. It then says how to continue.
func (s *stateSaver) end(err error) error {
	if s.refused != nil {
		return s.refused
	}
	s.flush()
	if err == nil {
		return nil
	}
	if s.err != nil {
		fmt.Fprintf(s.warn, "langevin: %s\n", phrase.OneLine(s.err))
	}
	if s.saved {
		fmt.Fprintf(s.warn, "langevin: the state after step %d is saved: go on with --resume %s\n", s.step,
			s.flags.save)
	}
	return err
}
