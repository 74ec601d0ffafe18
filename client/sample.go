package client

import (
	"context"
	"strings"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// SampleRequest says what to draw. Its zero value is valid: one sample of the server's default model.
type SampleRequest struct {
	Model   string  // empty: the server's default model
	Version int     // 0: the newest
	N       int     // chains to draw; 0: 1
	Seed    *uint64 // of all noise; nil: the server picks one, which the result has

	// FirstChain is the index of the first chain. Chains FirstChain to FirstChain+N-1 are the same samples whether
	// one request draws them or many, so a large job can be split.
	FirstChain uint64

	Sampler   Sampler         // nil: the model's default
	Preview   *PreviewOptions // nil: no previews
	Condition Condition       // a part of every sample that stays fixed; nil: none

	// Columns, if not 0, arranges chains in rows of the given number, at least 2: chain i is column i mod Columns of
	// row i / Columns. The chains of a row start from one state. Their noise changes from one stream, in the first
	// column, to another, in the last.
	Columns int

	Guidance *Guidance // changes the score with a second model; nil: none; not together with Sum

	// Given is the condition of the model, for all chains or [Each]; nil: none.
	Given Given

	// GuidanceScale is the w of classifier-free guidance: chains follow s₀ + w·(s - s₀), where s is the score with the
	// condition and s₀ the score without. nil: 1, which is s alone. Other values need Given and a model that was also
	// trained without a condition, and cost a second evaluation for each step.
	GuidanceScale *float64

	Sum *Sum // further scores that chains follow; nil: the model's score alone

	Measurement *Measurement // is what was measured of the samples; nil: nothing

	Resume *Resume // states of an earlier call to resume from; nil: start from noise

	// PNG requests pictures instead of numbers, for models whose samples are images of 1 or 3 channels. They are a
	// small fraction of the bytes. Each value is clamped to the model's range and rounded to one of 256. See
	// [Batch.Images].
	PNG bool
}

// PreviewOptions chooses which intermediate states to send. One of EverySteps, EveryLevel, Frames and MaxFrames says
// how often. The initial state and the last step are always included.
type PreviewOptions struct {
	EverySteps int  // each time a chain has taken this number of steps
	EveryLevel bool // at the end of every noise level
	Frames     int  // this number of previews, at least 2, spread evenly over the steps
	MaxFrames  int  // as Frames, but a chain with fewer steps has one after every step

	Chains   int  // how many chains to show, from the first; 0: 16
	Denoised bool // show the denoised estimate x + σ²·s instead of the state x

	// Unfinished leaves chains out of previews once their results have been delivered and the call is continued
	// elsewhere, see [WithResume]. It is for callers who need states only to continue from them. Without it such chains
	// are drawn again for the previews, and a call to a model of a table begins again. With it the states of a table
	// come as the network sees them, see [Preview].
	Unfinished bool
}

// Sample draws the chains of req and waits for all of them.
func (c *Client) Sample(ctx context.Context, req SampleRequest) (*Result, error) {
	return c.Stream(ctx, req).Result()
}

// operation says what was tried on what, for errors.
func operation(verb, model string) string { return strings.TrimSpace(verb + " " + model) }

// SampleRequestMessage returns the message of r in the API, but for Resume, for programs that build or compare requests
// themselves. Errors are those of [SamplerMessage] and [MeasurementMessage].
func SampleRequestMessage(r SampleRequest) (*langevinv1.SampleRequest, error) { return r.wire() }

func (r SampleRequest) wire() (*langevinv1.SampleRequest, error) {
	version, err := toInt32("version", r.Version)
	if err != nil {
		return nil, err
	}
	w := &langevinv1.SampleRequest{
		Model:      r.Model,
		Version:    version,
		N:          optional(int64(r.N)),
		Seed:       r.Seed,
		FirstChain: r.FirstChain,
		Format:     langevinv1.TensorFormat_TENSOR_FORMAT_RAW,
		Waiting:    true,
	}
	if r.PNG {
		w.Format = langevinv1.TensorFormat_TENSOR_FORMAT_PNG
	}
	if err := setSampler(w, r.Sampler); err != nil {
		return nil, err
	}
	if err := r.setConditions(w); err != nil {
		return nil, err
	}
	if err := r.setGiven(w); err != nil {
		return nil, err
	}
	if w.Measurement, err = MeasurementMessage(r.Measurement); err != nil {
		return nil, err
	}
	if r.Preview != nil {
		w.Preview, err = r.Preview.wire()
	}
	return w, err
}

func (p PreviewOptions) wire() (*langevinv1.PreviewOptions, error) {
	w := &langevinv1.PreviewOptions{
		Chains: optional(int64(p.Chains)), Kind: langevinv1.PreviewKind_PREVIEW_KIND_STATE,
		ForResume: p.Unfinished && !p.Denoised,
	}
	if p.Denoised {
		w.Kind = langevinv1.PreviewKind_PREVIEW_KIND_DENOISED
	}
	return w, p.setCadence(w)
}

func (p PreviewOptions) setCadence(w *langevinv1.PreviewOptions) error {
	steps, err := toInt32("preview.every_steps", p.EverySteps)
	if err != nil {
		return err
	}
	frames, err := toInt32("preview.frames", p.Frames)
	if err != nil {
		return err
	}
	most, err := toInt32("preview.max_frames", p.MaxFrames)
	if err != nil {
		return err
	}
	given := 0
	if steps != 0 {
		given++
		w.Cadence = &langevinv1.PreviewOptions_EverySteps{EverySteps: steps}
	}
	if p.EveryLevel {
		given++
		w.Cadence = &langevinv1.PreviewOptions_EveryLevel{EveryLevel: true}
	}
	if frames != 0 {
		given++
		w.Cadence = &langevinv1.PreviewOptions_Frames{Frames: frames}
	}
	if most != 0 {
		given++
		w.Cadence = &langevinv1.PreviewOptions_MaxFrames{MaxFrames: most}
	}
	if given != 1 {
		return invalid("preview.cadence", "preview sets %d of EverySteps, EveryLevel, Frames and MaxFrames: want one",
			given)
	}
	return nil
}
