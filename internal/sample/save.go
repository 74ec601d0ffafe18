package sample

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/phrase"
	"github.com/langevin-ml/langevin/internal/pictures"
	"github.com/langevin-ml/langevin/internal/wholefile"
)

// saveEvery is how often the state of a running call is written, unless writing takes more than a part of the time.
const (
	saveEvery = 5 * time.Second
	savePart  = 20
)

// Limits of the states on the way that --save-state asks for: how many, and of how many chains. A state comes once all
// of its chains have reached it. Of more chains than servers advance together some finish before others begin, so
// what has finished is all that need be kept.
const (
	stateFrames = 30
	stateChains = 4096
)

// stateFlags has the flags to save the state of chains and to continue from it.
type stateFlags struct {
	save, resume string
	whole        string // the file of --state, which is both
	from         *state // that is continued; nil if chains start anew
	asked        asked  // what the command line asks for; nil if nothing is saved, or a state is continued
}

func (f *stateFlags) group() cli.FlagGroup {
	g := cli.NewFlagGroup("Interruptions")
	g.Flags.StringVar(&f.save, "save-state", "",
		"keep what has been drawn in `FILE`, for --resume; it is written at the start, every 5 s and at the end")
	g.Flags.StringVar(&f.resume, "resume", "",
		"continue from the state in `FILE`, to the samples that the interrupted run would have drawn")
	g.Flags.StringVar(&f.whole, "state", "",
		"for jobs that are started again: continue from the state in `FILE` if it is there, keep what is drawn in it, "+
			"and remove it when the output is complete")
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
	f.from = &saved
	return saved.request(), nil
}

// continued returns a request that continues the one that the command line asks for, if the file of --state is there,
// and otherwise that one. It keeps what the command line asks for, before anything else changes the request.
func (f *stateFlags) continued(request client.SampleRequest) (_ client.SampleRequest, err error) {
	if f.from == nil && (f.save != "" || f.whole != "") {
		if f.asked, err = newAsked(request); err != nil {
			return request, err
		}
	}
	if f.whole == "" {
		return request, nil
	}
	if f.save != "" || f.resume != "" {
		return request, cli.Usagef("--state is --save-state and --resume in one: leave these out")
	}
	f.save = f.whole
	saved, err := readState(f.whole)
	if errors.Is(err, fs.ErrNotExist) {
		return request, nil
	}
	if err != nil {
		return request, err
	}
	if saved.Asked == nil {
		return request, cli.Usagef("--state %s: it does not say which command began it: go on with --resume", f.whole)
	}
	if how := saved.Asked.differs(f.asked); how != "" {
		return request, fmt.Errorf("--state %s: it was begun %s: draw what it began, or remove it", f.whole, how)
	}
	f.from, f.resume, f.asked = &saved, f.whole, nil
	return saved.request(), nil
}

// finished removes the file of --state, once the output is complete.
func (f *stateFlags) finished() error {
	if f.whole == "" {
		return nil
	}
	if err := os.Remove(f.whole); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the state: %w", err)
	}
	return nil
}

// check refuses to save what --resume could not continue, or where nothing can be written.
func (f *stateFlags) check(out string) error {
	if f.save != "" && strings.HasSuffix(strings.ToLower(out), ".gif") {
		return cli.Usagef("--%s does not go with a .gif, which shows other states", f.saving())
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

// saving returns the name of the flag that asks to save.
func (f *stateFlags) saving() string {
	if f.whole != "" {
		return "state"
	}
	return "save-state"
}

// goingOn returns the name of the flag that says where to continue from.
func (f *stateFlags) goingOn() string {
	if f.whole != "" {
		return "state"
	}
	return "resume"
}

// stateSaver writes to a file how far a call is.
type stateSaver struct {
	flags  stateFlags
	warn   io.Writer
	call   client.Started
	state  state
	states *client.Preview // the newest states of all chains that had not finished; nil before they come

	changed bool      // since the state was written
	next    time.Time // when it is written again
	saved   string    // how far the written state is; empty if there is none
	err     error     // of the newest state: why it could not be written
	stop    func()    // ends the call
	refused error     // why the call was ended
}

// watch returns what saves the states of a call. It adds to the request that the server sends states on the way, if all
// chains can be shown. stop has to end the call; it is called if the states cannot be used.
func (f *stateFlags) watch(
	ctx context.Context, c *client.Client, request *client.SampleRequest, warn io.Writer, stop func(),
) (*stateSaver, error) {
	s := &stateSaver{flags: *f, warn: warn, stop: stop}
	if f.save == "" {
		return s, nil
	}
	m, err := c.Model(ctx, request.Model, request.Version)
	if err != nil {
		return nil, err
	}
	m.Shape = m.StateShape()
	p := pictures.Previews(m, request.N, stateFrames)
	if p.Chains == request.N && p.Chains <= stateChains {
		p.Unfinished = true
		request.Preview = p
	}
	return s, nil
}

func (s *stateSaver) see(e client.Event) {
	switch e := e.(type) {
	case client.Started:
		s.begin(e)
	case client.Chunk:
		s.finish(e)
	case client.Preview:
		s.show(e)
	}
	if s.changed && !time.Now().Before(s.next) {
		s.flush()
	}
}

// begin ends the call if it would not continue the state of --resume, or if --resume could not ask for its sampler.
func (s *stateSaver) begin(e client.Started) {
	s.call, s.state = e, newState(e)
	s.state.Asked = s.flags.asked
	if from := s.flags.from; from != nil {
		s.goOn(from, e)
	}
	if s.flags.save == "" || s.refused != nil {
		return
	}
	s.changed = true
	if s.state.Sampler == nil {
		s.refuse(fmt.Errorf("--%s: this langevin does not know the sampler, so --%s could not go on",
			s.flags.saving(), s.flags.goingOn()))
	}
}

// goOn checks that the call continues a state and takes over what the state has.
func (s *stateSaver) goOn(from *state, e client.Started) {
	if from.Engine != e.Engine {
		fmt.Fprintf(s.warn, "langevin: the state comes from %s and goes on with %s: the last digits may differ\n",
			strconv.Quote(from.Engine), strconv.Quote(e.Engine))
	}
	if from.Digest != e.Digest {
		s.refuse(fmt.Errorf("--%s %s: its chains come from a model %s with digest %s, and the server has %s",
			s.flags.goingOn(), s.flags.resume, from.Model, from.Digest, e.Digest))
		return
	}
	s.state.FirstChain, s.state.N, s.state.Finished = from.FirstChain, from.N, from.Finished
	s.state.Given, s.state.Asked, s.state.trust = from.Given, from.Asked, from.trust.first(from.Finished)
	s.state.x = client.Batch{X: rows(from.x, 0, from.Finished).X, N: from.Finished, Shape: e.Shape}
	if from.begun() {
		s.states = &client.Preview{
			Batch: from.rest(), FirstChain: e.FirstChain, Step: from.Step, ForResume: from.Seen != nil,
		}
	}
}

// refuse ends the call.
func (s *stateSaver) refuse(err error) {
	s.refused, s.changed = err, false
	s.stop()
}

func (s *stateSaver) finish(c client.Chunk) {
	if s.flags.save == "" || s.refused != nil {
		return
	}
	s.state.trust.add(c)
	s.state.x.X = append(s.state.x.X, c.X...)
	s.state.x.N += c.N
	s.changed = true
}

// show keeps the states of a preview if they are of all chains that have not finished.
func (s *stateSaver) show(p client.Preview) {
	all := p.FirstChain <= s.state.FirstChain+uint64(s.state.x.N) &&
		p.FirstChain+uint64(p.N) == s.state.FirstChain+uint64(s.state.N)
	if s.flags.save == "" || s.refused != nil || !all || !s.call.GoesOnFrom(p) {
		return
	}
	s.states, s.changed = &p, true
}

// now returns the state. A call draws at least one chain, so the last one has never finished.
func (s *stateSaver) now() state {
	n := s.state
	n.Finished = min(n.x.N, n.N-1)
	n.x, n.trust = rows(n.x, 0, n.Finished), n.trust.first(n.Finished)
	if s.states == nil {
		return n
	}
	first := int(n.FirstChain + uint64(n.Finished) - s.states.FirstChain)
	rest := rows(s.states.Batch, first, s.states.N)
	n.Step = s.states.Step
	if s.states.ForResume {
		n.Seen = &rest
		return n
	}
	n.x.X, n.x.N = append(n.x.X, rest.X...), n.N // to a copy: the capacity ends at the finished rows
	return n
}

// flush writes the state, unless it is written already. If it cannot be written, the file keeps an earlier one.
func (s *stateSaver) flush() {
	if !s.changed {
		return
	}
	begun, now := time.Now(), s.now()
	file, err := wholefile.Create(s.flags.save)
	if err == nil {
		defer file.Discard()
		err = file.Commit(now.write)
	}
	if err == nil {
		s.saved = now.text()
	}
	s.changed, s.err = false, err
	s.next = begun.Add(max(saveEvery, savePart*time.Since(begun)))
}

// end writes the last state and returns why the call failed, if it did. It then says how to continue. If the call
// succeeded, it completes the result with what the state of --resume has.
func (s *stateSaver) end(res *client.Result, err error) error {
	if s.refused != nil {
		return s.refused
	}
	s.flush()
	if err == nil {
		if s.flags.from != nil {
			s.flags.from.join(res)
		}
		return nil
	}
	if s.err != nil {
		fmt.Fprintf(s.warn, "langevin: %s\n", phrase.OneLine(s.err))
	}
	if s.saved != "" && !errors.Is(err, client.ErrCollapsed) { // the same chain would collapse again
		fmt.Fprintf(s.warn, "langevin: the state is saved (%s): go on with --%s %s\n", s.saved, s.flags.goingOn(),
			s.flags.save)
	}
	return err
}
