package client

import (
	"time"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// Event is one of [Started], [Progress], [Preview], [Chunk], [Done] and, with [WithResume], [Resumed]. A stream has one
// Started first and one Done last.
type Event interface{ event() }

// Started describes what will be drawn, with every default filled in. A request with these settings gives the same
// samples.
type Started struct {
	Model      string
	Version    int
	Digest     string // SHA-256 of the model file, in hexadecimal
	N          int    // chains
	Seed       uint64
	FirstChain uint64
	Shape      []int   // of one sample
	Sampler    Sampler // nil if this client does not know the sampler
	Steps      int     // of each chain; see Evaluations
	Engine     string  // what else decides the bits: the noise generator, and the runtime and its settings
	RequestID  string  // names the call in the server's log

	Condition Condition // the part that stays fixed; nil if there is none, or of a kind that this client does not know
	Columns   int       // of an interpolation; 0 without one
	Guidance  *Guidance // the guide in use; nil for none

	Given         Given    // as in the request; nil for none
	GuidanceScale *float64 // as in the request; nil for none
	Sum           *Sum     // in use, with every default filled in; nil for none
	// Approximate says that the sampler only approximates the product that Sum, GuidanceScale or Guidance asks for, or
	// that the method only approximates the posterior given Measurement.
	Approximate bool

	Measurement *Measurement // with the method in use and its settings; nil for none

	ResumedAt int  // the step that the call resumed from; 0 for one that started at the beginning
	Resumable bool // whether previews of any step are enough to resume from; see [Resume]

	Table []Column // the columns of a table, in order; nil for other models
}

// Evaluations returns how many evaluations of networks a step of a chain takes: one, and one more for a guide, for a
// guidance scale other than 1, and for each term.
func (s Started) Evaluations() int {
	n := 1
	if s.Guidance != nil {
		n++
	}
	if s.GuidanceScale != nil && *s.GuidanceScale != 1 {
		n++
	}
	if s.Sum != nil {
		n += len(s.Sum.Terms)
	}
	return n
}

// GoesOnFrom reports whether a preview of the call has states to go on from. Those of a server that is older than the
// one that answered first may not, see [PreviewOptions].Unfinished.
func (s Started) GoesOnFrom(p Preview) bool {
	return s.Resumable && !p.Denoised && p.Step < s.Steps && (s.Table == nil || p.ForResume)
}

// Progress says how far the call is. It comes a few times a second, and once a second while the call waits.
type Progress struct {
	StepsDone  int64 // summed over all chains
	StepsTotal int64
	ChainsDone int
	Step       int           // of the chain that moved last
	Level      int           // of that step; 0 is the largest sigma
	Sigma      float64       // of that level
	Elapsed    time.Duration // since the server accepted the call
	Remaining  time.Duration // an estimate; 0 while there is none
}

// Preview is an intermediate state of some chains, all after the same step.
type Preview struct {
	Batch              // a row for each chain shown
	FirstChain uint64  // the chain of row 0
	Step       int     // steps taken; 0 is the initial state
	Level      int     // of the last step taken
	Sigma      float64 // of that level
	Denoised   bool    // the rows are denoised estimates, not states
	Dropped    int     // previews lost since the previous one because they were read too slowly

	// ForResume says that the rows are what the network sees of the rows of a table, for [Resume]: with as many numbers
	// as the widths of its columns add up to, and not values in their units. See [PreviewOptions].Unfinished.
	ForResume bool
}

// Chunk is a part of the result. Chunks come in chain order, without gaps.
type Chunk struct {
	Batch             // a row for each chain
	FirstChain uint64 // the chain of row 0

	// With [Particles], for each chain: the least effective size of its particles, and the logarithm of its estimate of
	// the density of the measured values. The estimate itself has no bias.
	EffectiveSizes, LogEvidences []float64
}

// Done says that all chains have been drawn, and at what cost.
type Done struct {
	N               int
	NFE             int64         // evaluations of networks, summed over all chains; see Started.Evaluations
	Elapsed         time.Duration // since the server accepted the call
	Queued          time.Duration // how long the call waited before the first chain started
	PreviewsDropped int           // previews lost because they were read too slowly

	// With [Particles]: the least effective size of all chains, the logarithm of the mean of their estimates of the
	// measured values' density, and how many chains have an effective size below Measurement.LeastEffectiveSize. If
	// Collapsed is above 0, the samples do not represent the posterior. EffectiveSize is 0 without particles.
	EffectiveSize float64
	LogEvidence   float64
	Collapsed     int
}

// Resumed says that the call broke and that another one continues it, see [WithResume].
type Resumed struct {
	Cause error // what broke the call
	Step  int   // the step from which the chains continue; 0: they are drawn again, and Progress goes back
}

func (Resumed) event()  {}
func (Started) event()  {}
func (Progress) event() {}
func (Preview) event()  {}
func (Chunk) event()    {}
func (Done) event()     {}

// newEvent decodes an event; nil if it is one that this client does not know.
func newEvent(r *langevinv1.SampleResponse) (Event, error) {
	switch e := r.GetEvent().(type) {
	case *langevinv1.SampleResponse_Started:
		return newStarted(e.Started)
	case *langevinv1.SampleResponse_Progress:
		return newProgress(e.Progress), nil
	case *langevinv1.SampleResponse_Preview:
		return newPreview(e.Preview)
	case *langevinv1.SampleResponse_Chunk:
		return newChunk(e.Chunk)
	case *langevinv1.SampleResponse_Done:
		return newDone(e.Done), nil
	}
	return nil, nil
}

func newStarted(s *langevinv1.Started) (Started, error) {
	shape, _, err := shapeOf(s.GetShape())
	if err != nil {
		return Started{}, err
	}
	condition, err := newCondition(s)
	if err != nil {
		return Started{}, err
	}
	measurement, err := MeasurementOf(s.GetMeasurement())
	return Started{
		Model:      s.GetModel(),
		Version:    int(s.GetVersion()),
		Digest:     s.GetDigest(),
		N:          int(s.GetN()),
		Seed:       s.GetSeed(),
		FirstChain: s.GetFirstChain(),
		Shape:      shape,
		Sampler:    samplerIn(s),
		Steps:      int(s.GetSteps()),
		Engine:     s.GetEngine(),
		RequestID:  s.GetRequestId(),
		Condition:  condition,
		Columns:    int(s.GetInterpolation().GetColumns()),
		Guidance:   newGuidance(s.GetGuidance()),
		Given:      GivenOf(s.GetGiven()),
		Sum:        newSum(s),
		ResumedAt:  int(s.GetResumedAt()),
		Resumable:  s.GetResumable(),
		Table:      newTable(s.GetColumns()),

		GuidanceScale: s.GuidanceScale,
		Approximate:   s.GetApproximate(),
		Measurement:   measurement,
	}, err
}

func newProgress(p *langevinv1.Progress) Progress {
	return Progress{
		StepsDone:  p.GetStepsDone(),
		StepsTotal: p.GetStepsTotal(),
		ChainsDone: int(p.GetChainsDone()),
		Step:       int(p.GetStep()),
		Level:      int(p.GetLevel()),
		Sigma:      p.GetSigma(),
		Elapsed:    p.GetElapsed().AsDuration(),
		Remaining:  p.GetRemaining().AsDuration(),
	}
}

func newPreview(p *langevinv1.Preview) (Preview, error) {
	b, err := newBatch(p.GetTensor())
	return Preview{
		Batch:      b,
		FirstChain: p.GetFirstChain(),
		Step:       int(p.GetStep()),
		Level:      int(p.GetLevel()),
		Sigma:      p.GetSigma(),
		Denoised:   p.GetKind() == langevinv1.PreviewKind_PREVIEW_KIND_DENOISED,
		Dropped:    int(p.GetDropped()),
		ForResume:  p.GetForResume(),
	}, err
}

func newChunk(c *langevinv1.Chunk) (Chunk, error) {
	b, err := newBatch(c.GetTensor())
	sizes, evidences := c.GetEffectiveSize(), c.GetLogEvidence()
	if err == nil && (len(sizes) != len(evidences) || len(sizes) > 0 && len(sizes) != b.N) {
		err = malformed("chunk of %d chains with %d effective sizes and %d evidences", b.N, len(sizes), len(evidences))
	}
	return Chunk{Batch: b, FirstChain: c.GetFirstChain(), EffectiveSizes: sizes, LogEvidences: evidences}, err
}

// after returns the chunk without its first rows.
func (c Chunk) after(rows int) Chunk {
	c.Batch, c.FirstChain = c.rows(rows, c.N), c.FirstChain+uint64(rows)
	if len(c.EffectiveSizes) > 0 {
		c.EffectiveSizes, c.LogEvidences = c.EffectiveSizes[rows:], c.LogEvidences[rows:]
	}
	return c
}

func newDone(d *langevinv1.Done) Done {
	return Done{
		N:               int(d.GetN()),
		NFE:             d.GetNfe(),
		Elapsed:         d.GetElapsed().AsDuration(),
		Queued:          d.GetQueued().AsDuration(),
		PreviewsDropped: int(d.GetPreviewsDropped()),
		EffectiveSize:   d.GetEffectiveSize(),
		LogEvidence:     d.GetLogEvidence(),
		Collapsed:       int(d.GetCollapsed()),
	}
}
