package client

import (
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// Condition is a part of every sample that stays fixed while the rest is drawn: [Inpainting] or [Colourisation].
type Condition interface{ condition() }

// Inpainting keeps elements of every sample fixed. Before a step at σ they are set to the known values plus N(0, σ²)
// noise, as the data would look at that level. A noise-free last step leaves the known values themselves.
type Inpainting struct {
	Values []float32 // one sample, row-major; the elements outside of Mask have no influence
	Shape  []int     // of Values, for the server to check; nil: the shape of the model's samples

	// Mask is true for the known elements. It has one entry for each element, or one for each pixel of samples of shape
	// [channels, height, width].
	Mask    []bool
	Refresh Refresh // by default [RefreshLevel]
}

// Colourisation keeps the grey of every pixel fixed, for samples of shape [channels, height, width] with at least 2
// channels. The grey is the component along (1, 1, ..., 1). The colour (v, v, ..., v) has a grey of v.
type Colourisation struct {
	Grey    []float32 // a value for each pixel, row-major
	Shape   []int     // of Grey, for the server to check; nil: the height and width of the model's samples
	Refresh Refresh   // by default [RefreshLevel]
}

func (Inpainting) condition()    {}
func (Colourisation) condition() {}

// Refresh says when the noise on a known part is drawn.
type Refresh string

const (
	// RefreshLevel draws it once for each level. The known part is set before the level's first step and after every
	// step (Song & Ermon 2019, algorithm 2).
	RefreshLevel Refresh = "level"
	// RefreshStep draws it before every step, and the known part is not set after it (the code of Song & Ermon 2020).
	RefreshStep Refresh = "step"
)

func refreshes() []Refresh { return []Refresh{"", RefreshLevel, RefreshStep} }

// Resume continues from states that an earlier call showed in a [Preview] of all its chains. With the same Seed,
// FirstChain, N and Sampler the samples are identical to the ones that the earlier call would have returned. A sampler
// whose steps depend on earlier steps (Heun's and the multistep [ProbabilityFlow]) can be resumed only at step 0, and a
// model of a table only from previews that say ForResume.
type Resume struct {
	Digest string // of the model that made the states, from its [Started] or [Result]
	Step   int    // the number of steps that they have taken: Preview.Step
	X      Batch  // the states, one row for each of the N chains: Preview.Batch
}

// setConditions sets what changes the course of chains: a condition, an interpolation, a guide, states to resume from.
func (r SampleRequest) setConditions(w *langevinv1.SampleRequest) (err error) {
	if w.Guidance, err = r.Guidance.wire(); err != nil {
		return err
	}
	columns, err := toInt32("interpolation.columns", r.Columns)
	if err != nil {
		return err
	}
	if columns != 0 {
		w.Interpolation = &langevinv1.Interpolation{Columns: columns}
	}
	if r.Resume != nil {
		w.Resume = &langevinv1.Resume{Digest: r.Resume.Digest, Step: int64(r.Resume.Step), X: newTensor(r.Resume.X)}
	}
	switch c := r.Condition.(type) {
	case Inpainting:
		refresh, err := number[langevinv1.Refresh]("inpainting.refresh", refreshes(), c.Refresh)
		w.Condition = &langevinv1.SampleRequest_Inpainting{Inpainting: &langevinv1.Inpainting{
			Values: shapedTensor(c.Values, c.Shape), Mask: c.Mask, Refresh: refresh,
		}}
		return err
	case Colourisation:
		refresh, err := number[langevinv1.Refresh]("colourisation.refresh", refreshes(), c.Refresh)
		w.Condition = &langevinv1.SampleRequest_Colourisation{Colourisation: &langevinv1.Colourisation{
			Grey: shapedTensor(c.Grey, c.Shape), Refresh: refresh,
		}}
		return err
	}
	return nil
}

// newCondition returns the condition of a started call; nil if there is none, or a kind that this client does not know.
func newCondition(s *langevinv1.Started) (Condition, error) {
	switch c := s.GetCondition().(type) {
	case *langevinv1.Started_Inpainting:
		values, shape, err := newShaped(c.Inpainting.GetValues())
		return Inpainting{
			Values: values, Shape: shape, Mask: c.Inpainting.GetMask(),
			Refresh: word(refreshes(), c.Inpainting.GetRefresh()),
		}, err
	case *langevinv1.Started_Colourisation:
		grey, shape, err := newShaped(c.Colourisation.GetGrey())
		return Colourisation{Grey: grey, Shape: shape, Refresh: word(refreshes(), c.Colourisation.GetRefresh())}, err
	}
	return nil, nil
}

// newShaped is the inverse of shapedTensor.
func newShaped(t *langevinv1.Tensor) (x []float32, shape []int, err error) {
	for _, n := range t.GetShape() {
		shape = append(shape, int(n))
	}
	if len(t.GetData()) == 0 {
		return t.GetValues(), shape, nil
	}
	x, err = decodeFloats(t.GetData())
	return x, shape, err
}

// shapedTensor encodes x with its shape, if it has one.
func shapedTensor(x []float32, shape []int) *langevinv1.Tensor {
	t := &langevinv1.Tensor{Data: encodeFloats(x)}
	for _, n := range shape {
		t.Shape = append(t.Shape, int64(n))
	}
	return t
}
