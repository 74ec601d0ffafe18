package sample

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/internal/datafile"
	"github.com/langevin-ml/langevin/internal/drawing"
	"github.com/langevin-ml/langevin/internal/phrase"
	"github.com/langevin-ml/langevin/internal/wholefile"
	"github.com/langevin-ml/langevin/training/data"
)

// The formats in the first line of a state file. A file of the first one has the states of all chains.
const (
	oldStateFormat = "langevin-state-1"
	stateFormat    = "langevin-state-2"
)

// state has what a Sample call has drawn, and everything else that is needed to continue it. Its file has this as one
// line of JSON, and then x in NumPy's array format. The line ends with a digest of the file; see [sealed].
type state struct {
	Format        string                 `json:"format"`
	Model         string                 `json:"model"`
	Version       int                    `json:"version"`
	Digest        string                 `json:"digest"`
	Engine        string                 `json:"engine"`
	Seed          uint64                 `json:"seed,string"`
	FirstChain    uint64                 `json:"first_chain,string"`
	N             int                    `json:"n"`
	Finished      int                    `json:"finished"` // the first chains; less than N
	Step          int                    `json:"step"`     // that the states of the other chains have taken
	Sampler       *drawing.SamplerReport `json:"sampler"`
	Inpainting    *client.Inpainting     `json:"inpainting,omitempty"`
	Colourisation *client.Colourisation  `json:"colourisation,omitempty"`
	Columns       int                    `json:"columns,omitempty"`
	Guidance      *client.Guidance       `json:"guidance,omitempty"`
	drawing.FollowedReport
	trust // in the particles of the finished chains

	Asked asked `json:"command,omitempty"` // nil in the files of older programs

	// Seen has a row for each chain of a table that has not finished: what the network sees of it. x then has no rows
	// for these chains, so that older programs draw them again.
	Seen *client.Batch `json:"seen,omitempty"`

	// x has a row for each finished chain, and then a row for each other chain or for none of them. Without these rows
	// and Seen the other chains have not begun. A file without any rows ends after its line.
	x client.Batch
}

func newState(s client.Started) state {
	saved := state{
		Format: stateFormat, Model: s.Model, Version: s.Version, Digest: s.Digest, Engine: s.Engine,
		Seed: s.Seed, FirstChain: s.FirstChain, N: s.N, Sampler: drawing.NewSamplerReport(s.Sampler),
		Columns: s.Columns, Guidance: s.Guidance, x: client.Batch{Shape: s.Shape},
		FollowedReport: drawing.NewFollowedReport(s.Given, s.GuidanceScale, s.Sum, s.Approximate).
			Measuring(s.Measurement),
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
		Model: s.Model, Version: s.Version, N: s.N - s.Finished, Seed: &s.Seed,
		FirstChain: s.FirstChain + uint64(s.Finished),
		Sampler:    s.Sampler.Sampler(), Columns: s.Columns, Guidance: s.Guidance,
	}
	s.Set(&r, s.Finished)
	if s.begun() {
		r.Resume = &client.Resume{Digest: s.Digest, Step: s.Step, X: s.rest()}
	}
	switch {
	case s.Inpainting != nil:
		r.Condition = *s.Inpainting
	case s.Colourisation != nil:
		r.Condition = *s.Colourisation
	}
	return r
}

// begun reports whether the state has a row for each chain that has not finished.
func (s state) begun() bool { return s.Seen != nil || s.x.N > s.Finished }

// rest returns these rows.
func (s state) rest() client.Batch {
	if s.Seen != nil {
		return *s.Seen
	}
	return rows(s.x, s.Finished, s.N)
}

// join puts the finished chains before those that the rest of the call has drawn.
func (s state) join(res *client.Result) {
	finished := rows(s.x, 0, s.Finished)
	res.X = slices.Concat(finished.X, res.X)
	res.N += finished.N
	res.FirstChain = s.FirstChain
	var whole client.SampleRequest
	s.Set(&whole, 0)
	res.Given = whole.Given
	s.trust.join(res)
}

// rows returns the rows of a batch from index first to before index last.
func rows(b client.Batch, first, last int) client.Batch {
	width := datafile.Elements(b.Shape)
	return client.Batch{X: b.X[first*width : last*width : last*width], N: last - first, Shape: b.Shape}
}

// text says in words how far the chains are.
func (s state) text() string {
	others := "not begun"
	if s.begun() {
		others = fmt.Sprintf("after step %d", s.Step)
	}
	return fmt.Sprintf("%s of %s finished, the others %s", phrase.Grouped(int64(s.Finished)),
		phrase.Plural(s.N, "chain"), others)
}

func (s state) write(w io.Writer) error {
	line, err := json.Marshal(s)
	if err != nil {
		return err
	}
	sum := sha256.New()
	sum.Write(line)
	if err := s.writeRows(sum); err != nil {
		return err
	}
	if _, err := w.Write(append(sealed(line, sum.Sum(nil)), '\n')); err != nil {
		return err
	}
	return s.writeRows(w)
}

func (s state) writeRows(w io.Writer) error {
	if s.x.N == 0 {
		return nil
	}
	return datafile.WriteNPY(w, s.x)
}

// sealMark is what the digest of a file follows in its line.
const sealMark = `,"sha256":"`

// sealed returns the line of a state file with the digest of the file: the SHA-256 of the line without it, and of all
// that follows the line.
func sealed(line, sum []byte) []byte {
	return fmt.Appendf(nil, `%s%s%x"}`, bytes.TrimSuffix(line, []byte("}")), sealMark, sum)
}

// unsealed returns the line without the digest, and the digest; "" in the files of older programs.
func unsealed(line []byte) (bare []byte, sum string) {
	at := bytes.LastIndex(line, []byte(sealMark))
	if at < 0 {
		return line, ""
	}
	sum = string(line[at+len(sealMark):])
	return append(slices.Clone(line[:at]), '}'), strings.TrimSuffix(sum, `"}`)
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
	line, err := r.ReadBytes('\n')
	if err != nil || !isState(line) {
		return state{}, fmt.Errorf("it is no state that sample --save-state has written")
	}
	line, want := unsealed(bytes.TrimSuffix(line, []byte("\n")))
	sum := sha256.New()
	sum.Write(line)
	s, err := decodeParts(line, bufio.NewReader(io.TeeReader(r, sum)))
	if err != nil {
		return state{}, err
	}
	if _, err := io.Copy(sum, r); err != nil {
		return state{}, err
	}
	if want != "" && want != hex.EncodeToString(sum.Sum(nil)) {
		return state{}, errors.New("it is damaged: its SHA-256 is not the one in its first line")
	}
	return s, s.check()
}

// decodeParts reads the line and what follows it.
func decodeParts(line []byte, r *bufio.Reader) (s state, err error) {
	if err := json.Unmarshal(line, &s); err != nil {
		return state{}, err
	}
	if s.Sampler == nil {
		return state{}, fmt.Errorf("it does not say which sampler its states are of")
	}
	if s.x, err = s.decodeRows(r); err != nil {
		return state{}, err
	}
	if s.Format == oldStateFormat {
		s.Format, s.N, s.Finished = stateFormat, s.x.N, 0
	}
	return s, nil
}

// check returns an error unless the parts of a state fit each other.
func (s state) check() error {
	if s.Finished < 0 || s.Finished >= s.N || s.x.N != s.Finished && s.x.N != s.N {
		return fmt.Errorf("it has %s for %s, %d of them finished: want one for each, or for each finished one",
			phrase.Plural(s.x.N, "row"), phrase.Plural(s.N, "chain"), s.Finished)
	}
	if b := s.Seen; b != nil &&
		(b.N != s.N-s.Finished || s.x.N != s.Finished || len(b.X) != b.N*datafile.Elements(b.Shape)) {
		return fmt.Errorf("it has %s of shape %v in %s for %s that have not finished",
			phrase.Plural(b.N, "row"), b.Shape, phrase.Plural(len(b.X), "number"),
			phrase.Plural(s.N-s.Finished, "chain"))
	}
	if n := len(s.Given); n > 1 && n != s.N {
		return fmt.Errorf("it has %d conditions for %s: want one for each, or one for all", n,
			phrase.Plural(s.N, "chain"))
	}
	return nil
}

// decodeRows reads what follows the first line.
func (s state) decodeRows(r *bufio.Reader) (client.Batch, error) {
	if _, err := r.Peek(1); errors.Is(err, io.EOF) && s.Format == stateFormat {
		return client.Batch{}, nil
	}
	a, err := data.DecodeNPY(r)
	if err != nil {
		return client.Batch{}, err
	}
	if len(a.Shape) < 2 || !a.Numbers() {
		return client.Batch{}, fmt.Errorf("its states have shape %v: want one row for each chain", a.Shape)
	}
	return client.Batch{X: a.Values, N: a.Shape[0], Shape: a.Shape[1:]}, nil
}

// isState reports whether a line is the first one of a state file.
func isState(line []byte) bool {
	var head struct {
		Format string `json:"format"`
	}
	return json.Unmarshal(line, &head) == nil && (head.Format == stateFormat || head.Format == oldStateFormat)
}
