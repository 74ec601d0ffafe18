package models

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strings"

	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/sampling/detect"
)

const (
	// MetadataKey is the ONNX metadata_props key whose value is the [Manifest] as JSON.
	MetadataKey = "langevin.manifest"

	// Format is the format of a manifest without conditions.
	Format = 1

	// FormatCondition is the format of a manifest with a [Condition].
	FormatCondition = 2

	// FormatColumns is the format of a manifest with [Columns], with or without a condition.
	FormatColumns = 3

	// FormatDetector is the format of a manifest with a detector, with or without the others.
	FormatDetector = 4

	// MaxDim is the largest number of elements of one sample.
	MaxDim = 1 << 24

	// MaxLevels is the largest number of sigmas of a model.
	MaxLevels = 1 << 16

	// MaxSteps is the largest number of steps of a model's default sampler, over all levels.
	MaxSteps = 1 << 20

	maxAxes = 4
)

// ErrInvalid is wrapped by every error about a model that cannot be served: an invalid manifest, a graph that violates
// the contract, a file that is not an ONNX model.
var ErrInvalid = errors.New("invalid model")

// Parameterization says what a graph's output means. Samplers always see a score.
type Parameterization string

const (
	ParameterizationScore    Parameterization = "score"    // ∇ₓ log p_σ(x)
	ParameterizationNoise    Parameterization = "noise"    // the noise ε in x = x₀ + σε; score = -ε/σ
	ParameterizationDenoised Parameterization = "denoised" // E[x₀ | x]; score = (E[x₀ | x] - x)/σ²
)

// Range has the bounds of a model's data, for axes and grey levels of pictures. Samples are not clipped to it.
type Range struct {
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// SamplerKind names an algorithm that a [Manifest] may choose as its default.
type SamplerKind string

const (
	SamplerAnnealedLangevin SamplerKind = "annealed_langevin" // [sampling.AnnealedLangevin]
	SamplerReverseSDE       SamplerKind = "reverse_sde"       // [sampling.ReverseSDE]
	SamplerConsistency      SamplerKind = "consistency"       // [sampling.Consistency]
)

// Sampler is the default sampler of a model. Every model has settings of annealed Langevin dynamics, whatever its
// default is, because requests can ask for it.
type Sampler struct {
	Kind          SamplerKind `json:"kind"`
	StepsPerLevel int         `json:"steps_per_level"`
	StepLR        float64     `json:"step_lr"`              // ε of the step size ε·σ_i²/σ_L² in x + αs + √(2α)z
	Denoise       bool        `json:"denoise"`              // end with the noise-free step x + σ_L²·s
	Consistent    bool        `json:"consistent,omitempty"` // see sampling.AnnealedLangevin

	// ReverseSDE and Consistency have the settings of these kinds. They are nil for another kind.
	ReverseSDE  *ReverseSDE  `json:"reverse_sde,omitempty"`
	Consistency *Consistency `json:"consistency,omitempty"`
}

// ReverseSDE has the settings of the default sampler [SamplerReverseSDE], from a model's largest sigma to its smallest.
// The others have the defaults of the API.
type ReverseSDE struct {
	Steps int     `json:"steps"` // evaluations of the score, at least 2
	Eta   float64 `json:"eta"`   // how much noise is replaced, see sampling.ReverseSDE
}

// DefaultReverseSDE returns the settings for models that have none of their own.
func DefaultReverseSDE() ReverseSDE { return ReverseSDE{Steps: 35, Eta: 2} }

// Validate returns an error that names the field. It starts with a name of the settings.
func (r ReverseSDE) Validate(name string) error {
	if r.Steps < 2 || r.Steps > MaxSteps {
		return fmt.Errorf("%s.steps is %d: want 2 to %d", name, r.Steps, MaxSteps)
	}
	if !finite(r.Eta) || r.Eta < 0 {
		return fmt.Errorf("%s.eta is %g: want finite and not negative", name, r.Eta)
	}
	return nil
}

// Consistency has the settings of the default sampler [SamplerConsistency].
type Consistency struct {
	Sigmas []float64 `json:"sigmas"` // one evaluation each, largest first
}

// Validate returns an error that names the field. It starts with a name of the settings.
func (c Consistency) Validate(name string) error {
	if n := len(c.Sigmas); n > MaxSteps {
		return fmt.Errorf("%s.sigmas has %d numbers: want at most %d", name, n, MaxSteps)
	}
	if _, err := sampling.NewSchedule(c.Sigmas...); err != nil {
		return fmt.Errorf("%s.sigmas: %w", name, err)
	}
	return nil
}

// Training records how a model was made. It contains no clock times, so the same training gives the same file.
type Training struct {
	Preset       string    `json:"preset,omitempty"`
	Data         string    `json:"data,omitempty"`
	Commit       string    `json:"commit,omitempty"` // of the training code
	Device       string    `json:"device,omitempty"` // on which it ran; the CPU if empty
	Iterations   int       `json:"iterations"`
	BatchSize    int       `json:"batch_size"`
	Seed         uint64    `json:"seed"`
	Loss         float64   `json:"loss"`                     // mean of LossPerLevel
	LossPerLevel []float64 `json:"loss_per_level,omitempty"` // one for each sigma, in the order of Sigmas
}

// ParseTraining returns the record of a training from its JSON form, in which the API has it. It is empty without one.
func ParseTraining(text string) (t Training, err error) {
	if text != "" {
		err = json.Unmarshal([]byte(text), &t)
	}
	return t, err
}

// Manifest has everything that serving a model needs besides its graph. It is stored in the .onnx file.
type Manifest struct {
	Format           int              `json:"format"` // see [Manifest.WantFormat]
	Name             string           `json:"name"`   // see [ValidName]
	Description      string           `json:"description,omitempty"`
	Shape            []int            `json:"shape"` // of one sample: [2], [1,28,28]
	Parameterization Parameterization `json:"parameterization"`
	Sigmas           []float64        `json:"sigmas"` // noise schedule of the training, largest first
	Range            Range            `json:"range"`
	Prior            sampling.Prior   `json:"prior"` // distribution of the initial states
	Sampler          Sampler          `json:"sampler"`
	Condition        *Condition       `json:"condition,omitempty"` // nil for a graph without the input c
	Columns          Columns          `json:"columns,omitempty"`   // of a table; nil if users see what the network sees
	Detector         *detect.Detector `json:"detector,omitempty"`  // says how unlike its data a sample is; nil for none
	Training         *Training        `json:"training,omitempty"`
}

// NamePattern is a regular expression of all names of models.
const NamePattern = `^[a-z0-9][a-z0-9_.-]{0,63}$`

var namePattern = regexp.MustCompile(NamePattern)

// ValidName reports whether name can name a model: 1 to 64 of a-z, 0-9, dot, dash and underscore, the first a letter or
// digit.
func ValidName(name string) bool { return namePattern.MatchString(name) }

// Dim returns the number of elements of one sample, the product of Shape.
func (m Manifest) Dim() int {
	dim := 1
	for _, n := range m.Shape {
		dim *= n
	}
	return dim
}

// WantFormat returns the format of a manifest with the parts of m.
func (m Manifest) WantFormat() int {
	switch {
	case m.Detector != nil:
		return FormatDetector
	case m.Columns != nil:
		return FormatColumns
	case m.Condition != nil:
		return FormatCondition
	}
	return Format
}

// RowShape returns the shape of one sample as users see it: a number for each column, or Shape without columns.
func (m Manifest) RowShape() []int {
	if m.Columns != nil {
		return []int{len(m.Columns)}
	}
	return m.Shape
}

// RowDim returns the number of elements of one sample as users see it, the product of RowShape.
func (m Manifest) RowDim() int {
	if m.Columns != nil {
		return len(m.Columns)
	}
	return m.Dim()
}

// Schedule returns the noise schedule of Sigmas.
func (m Manifest) Schedule() (sampling.Schedule, error) { return sampling.NewSchedule(m.Sigmas...) }

// AnnealedLangevin returns annealed Langevin dynamics with the settings of the model, on the noise schedule of the
// training.
func (m Manifest) AnnealedLangevin() (sampling.AnnealedLangevin, error) {
	schedule, err := m.Schedule()
	if err != nil {
		return sampling.AnnealedLangevin{}, fmt.Errorf("annealed Langevin of %q: %w", m.Name, err)
	}
	return sampling.AnnealedLangevin{
		Schedule:      schedule,
		StepsPerLevel: m.Sampler.StepsPerLevel,
		StepLR:        m.Sampler.StepLR,
		Denoise:       m.Sampler.Denoise,
		Consistent:    m.Sampler.Consistent,
	}, nil
}

// Default returns the plan of the default sampler, and the distribution of its initial states.
func (m Manifest) Default() (sampling.Plan, sampling.Prior, error) {
	var sampler interface {
		Plan() (sampling.Plan, error)
		Prior() sampling.Prior
	}
	switch m.Sampler.Kind {
	case SamplerReverseSDE:
		r := m.Sampler.ReverseSDE
		schedule, err := sampling.Karras(m.Sigmas[0], m.Sigmas[len(m.Sigmas)-1], r.Steps, sampling.KarrasRho)
		if err != nil {
			return nil, sampling.Prior{}, fmt.Errorf("default sampler of %q: %w", m.Name, err)
		}
		sampler = sampling.ReverseSDE{
			Schedule: schedule, Method: sampling.ReverseMultistep, Eta: r.Eta, Noise: 1, Denoise: true,
		}
	case SamplerConsistency:
		schedule, err := sampling.NewSchedule(m.Sampler.Consistency.Sigmas...)
		if err != nil {
			return nil, sampling.Prior{}, fmt.Errorf("default sampler of %q: %w", m.Name, err)
		}
		sampler = sampling.Consistency{Schedule: schedule}
	default:
		annealed, err := m.AnnealedLangevin()
		if err != nil {
			return nil, sampling.Prior{}, err
		}
		plan, err := annealed.Plan()
		return plan, m.Prior, err
	}
	plan, err := sampler.Plan()
	return plan, sampler.Prior(), err
}

// Validate reports every mistake in one error of one line, which wraps [ErrInvalid].
func (m Manifest) Validate() error {
	var bad mistakes
	bad.checkFormat(m)
	if !ValidName(m.Name) {
		bad.add("name is %q: want %s", m.Name, namePattern)
	}
	bad.checkShape(m.Shape)
	switch m.Parameterization {
	case ParameterizationScore, ParameterizationNoise, ParameterizationDenoised:
	default:
		bad.add("parameterization is %q: want %q, %q or %q", m.Parameterization,
			ParameterizationScore, ParameterizationNoise, ParameterizationDenoised)
	}
	bad.checkSigmas(m)
	if r := m.Range; !finite(r.Low) || !finite(r.High) || r.Low >= r.High {
		bad.add("range is %g to %g: want finite bounds, low below high", r.Low, r.High)
	}
	if err := m.Prior.Validate(); err != nil {
		bad.add("%v", err)
	}
	bad.checkSampler(m.Sampler, len(m.Sigmas))
	if err := m.Condition.Validate(); err != nil {
		bad.add("%v", err)
	}
	bad.checkColumns(m)
	bad.checkDetector(m)
	if m.Training != nil {
		bad.checkTraining(*m.Training, len(m.Sigmas))
	}
	return bad.err(m.Name)
}

// mistakes collects the findings of Validate.
type mistakes []string

func (bad *mistakes) add(format string, args ...any) {
	*bad = append(*bad, fmt.Sprintf(format, args...))
}

func (bad mistakes) err(name string) error {
	if len(bad) == 0 {
		return nil
	}
	return fmt.Errorf("%w: manifest of %q: %s", ErrInvalid, name, strings.Join(bad, "; "))
}

func (bad *mistakes) checkFormat(m Manifest) {
	with := func(there bool) string {
		if there {
			return "with"
		}
		return "without"
	}
	switch want := m.WantFormat(); {
	case m.Format == want:
	case m.Detector != nil || m.Format == FormatDetector:
		bad.add("format is %d: want %d %s a detector", m.Format, want, with(m.Detector != nil))
	case m.Columns != nil || m.Format == FormatColumns:
		bad.add("format is %d: want %d %s columns", m.Format, want, with(m.Columns != nil))
	default:
		bad.add("format is %d: want %d %s a condition", m.Format, want, with(m.Condition != nil))
	}
}

func (bad *mistakes) checkShape(shape []int) {
	if len(shape) == 0 || len(shape) > maxAxes {
		bad.add("shape has %d axes: want 1 to %d", len(shape), maxAxes)
		return
	}
	dim := 1
	for i, n := range shape {
		if n < 1 || n > MaxDim/dim {
			bad.add("shape[%d] of %v is %d: want positive and at most %d elements in all", i, shape, n, MaxDim)
			return
		}
		dim *= n
	}
}

func (bad *mistakes) checkSigmas(m Manifest) {
	if n := len(m.Sigmas); n < 1 || n > MaxLevels {
		bad.add("sigmas has %d levels: want 1 to %d", n, MaxLevels)
		return
	}
	if _, err := m.Schedule(); err != nil {
		bad.add("sigmas: %v", err)
	}
}

func (bad *mistakes) checkSampler(s Sampler, levels int) {
	switch s.Kind {
	case SamplerAnnealedLangevin, SamplerReverseSDE, SamplerConsistency:
	default:
		bad.add("sampler kind is %q: want %q, %q or %q", s.Kind, SamplerAnnealedLangevin, SamplerReverseSDE,
			SamplerConsistency)
	}
	if bad.own(s, SamplerReverseSDE, s.ReverseSDE != nil) {
		bad.checkReverseSDE(*s.ReverseSDE, levels)
	}
	if bad.own(s, SamplerConsistency, s.Consistency != nil) {
		if err := s.Consistency.Validate("sampler consistency"); err != nil {
			bad.add("%v", err)
		}
	}
	if s.StepsPerLevel < 1 || s.StepsPerLevel > MaxSteps/max(levels, 1) {
		bad.add("sampler steps_per_level is %d: want at least 1 and at most %d steps over all levels", s.StepsPerLevel,
			MaxSteps)
	}
	if !finite(s.StepLR) || s.StepLR <= 0 {
		bad.add("sampler step_lr is %g: want finite and positive", s.StepLR)
	}
}

// own adds a mistake unless the settings of a kind are there exactly if s has that kind. It reports whether they are to
// be checked.
func (bad *mistakes) own(s Sampler, kind SamplerKind, there bool) bool {
	switch {
	case s.Kind == kind && !there:
		bad.add("sampler has no %s: want its settings, because its kind is %q", kind, kind)
	case s.Kind != kind && there:
		bad.add("sampler has %s: want it only if its kind is %q", kind, kind)
	}
	return s.Kind == kind && there
}

func (bad *mistakes) checkReverseSDE(r ReverseSDE, levels int) {
	if levels < 2 {
		bad.add("sampler kind is %q: want at least 2 sigmas, not %d", SamplerReverseSDE, levels)
		return
	}
	if err := r.Validate("sampler reverse_sde"); err != nil {
		bad.add("%v", err)
	}
}

func (bad *mistakes) checkDetector(m Manifest) {
	if m.Detector == nil {
		return
	}
	if err := m.Detector.Validate(); err != nil {
		bad.add("detector %v", err)
	}
	switch c := m.Condition; {
	case m.Detector.Given && c == nil:
		bad.add("detector is for samples with a condition: want a model with one")
	case !m.Detector.Given && c != nil && !c.Dropped:
		bad.add("detector is for samples without a condition: want a model that was trained without it too")
	}
	if m.Sampler.Kind == SamplerConsistency {
		bad.add("detector of a consistency model: want none, because it has no score")
	}
}

func (bad *mistakes) checkTraining(t Training, levels int) {
	if t.Iterations < 0 || t.BatchSize < 0 {
		bad.add("training has %d iterations of batch_size %d: want none negative", t.Iterations, t.BatchSize)
	}
	if !finite(t.Loss) {
		bad.add("training loss is %g: want finite", t.Loss)
	}
	if n := len(t.LossPerLevel); n != 0 && n != levels {
		bad.add("training loss_per_level has %d values: want one for each of %d sigmas", n, levels)
	}
	for i, loss := range t.LossPerLevel {
		if !finite(loss) {
			bad.add("training loss_per_level[%d] is %g: want finite", i, loss)
			return
		}
	}
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
