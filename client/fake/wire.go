package fake

import (
	"bytes"
	"encoding/binary"
	"image/png"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/langevin-ml/langevin/client"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// This file is package client's conversions the other way round.

func sampleRequest(w *langevinv1.SampleRequest) client.SampleRequest {
	return client.SampleRequest{
		Model:      w.GetModel(),
		Version:    int(w.GetVersion()),
		N:          int(w.GetN()),
		Seed:       w.Seed,
		FirstChain: w.GetFirstChain(),
		Sampler:    sampler(w),
		Preview:    previewOptions(w.GetPreview()),
		Condition:  condition(w),
		Columns:    int(w.GetInterpolation().GetColumns()),
		Resume:     resume(w.GetResume()),
		Guidance:   guidance(w.GetGuidance()),
		PNG:        w.GetFormat() == langevinv1.TensorFormat_TENSOR_FORMAT_PNG,
	}
}

func previewOptions(w *langevinv1.PreviewOptions) *client.PreviewOptions {
	if w == nil {
		return nil
	}
	return &client.PreviewOptions{
		EverySteps: int(w.GetEverySteps()),
		EveryLevel: w.GetEveryLevel(),
		Frames:     int(w.GetFrames()),
		Chains:     int(w.GetChains()),
		Denoised:   w.GetKind() == langevinv1.PreviewKind_PREVIEW_KIND_DENOISED,
	}
}

func scoreRequest(w *langevinv1.ScoreRequest) client.ScoreRequest {
	return client.ScoreRequest{
		Model: w.GetModel(), Version: int(w.GetVersion()), X: floats(w.GetX()), Shape: rowShape(w.GetX()), Sigma: w.GetSigma(),
	}
}

func flow(w *langevinv1.FlowOptions) client.FlowOptions {
	return client.FlowOptions{
		SigmaMax: w.GetSigmaMax(), SigmaMin: w.GetSigmaMin(), RelativeTol: w.GetRtol(), AbsoluteTol: w.GetAtol(),
	}
}

// rowShape is the shape of one row of t; nil if it has none.
func rowShape(t *langevinv1.Tensor) []int {
	if len(t.GetShape()) == 0 {
		return nil
	}
	return ints(t.GetShape()[1:])
}

// drawn is an event whose rows are pictures, as far as it has rows.
func drawn(e client.Event) (client.Event, error) {
	var err error
	switch e := e.(type) {
	case client.Preview:
		e.Batch, err = pictures(e.Batch)
		return e, err
	case client.Chunk:
		e.Batch, err = pictures(e.Batch)
		return e, err
	}
	return e, nil
}

func pictures(b client.Batch) (client.Batch, error) {
	images, err := b.Images(0, 1)
	if err != nil {
		return b, &client.Error{Code: codes.InvalidArgument, Reason: langevinv1.ReasonInvalid, Message: "format: " + err.Error()}
	}
	b.X = nil
	for _, picture := range images {
		var file bytes.Buffer
		if err := png.Encode(&file, picture); err != nil {
			return b, err
		}
		b.PNG = append(b.PNG, file.Bytes())
	}
	return b, nil
}

func sampler(w *langevinv1.SampleRequest) client.Sampler {
	switch s := w.GetSampler().(type) {
	case *langevinv1.SampleRequest_AnnealedLangevin:
		a := s.AnnealedLangevin
		return client.AnnealedLangevin{
			Sigmas: a.GetSigmas(), StepsPerLevel: int(a.GetStepsPerLevel()), StepLR: a.GetStepLr(), Denoise: a.Denoise, Consistent: a.Consistent,
		}
	case *langevinv1.SampleRequest_Langevin:
		l := s.Langevin
		return client.Langevin{
			Sigma: l.GetSigma(), Steps: int(l.GetSteps()), StepSize: l.GetStepSize(), Denoise: l.Denoise,
		}
	}
	return diffusion(w)
}

func response(e client.Event) *langevinv1.SampleResponse {
	switch e := e.(type) {
	case client.Started:
		return &langevinv1.SampleResponse{Event: &langevinv1.SampleResponse_Started{Started: started(e)}}
	case client.Progress:
		return &langevinv1.SampleResponse{Event: &langevinv1.SampleResponse_Progress{Progress: progress(e)}}
	case client.Preview:
		return &langevinv1.SampleResponse{Event: &langevinv1.SampleResponse_Preview{Preview: preview(e)}}
	case client.Chunk:
		return &langevinv1.SampleResponse{Event: &langevinv1.SampleResponse_Chunk{
			Chunk: &langevinv1.Chunk{FirstChain: e.FirstChain, Tensor: tensor(e.Batch)},
		}}
	case client.Done:
		return &langevinv1.SampleResponse{Event: &langevinv1.SampleResponse_Done{Done: done(e)}}
	}
	return &langevinv1.SampleResponse{} // what a client makes of an event it does not know
}

func started(s client.Started) *langevinv1.Started {
	w := &langevinv1.Started{
		Model:      s.Model,
		Version:    int32(s.Version),
		Digest:     s.Digest,
		N:          int64(s.N),
		Seed:       s.Seed,
		FirstChain: s.FirstChain,
		Shape:      axes(s.Shape),
		Steps:      int64(s.Steps),
		Engine:     s.Engine,
		RequestId:  s.RequestID,
		Guidance:   guidanceMessage(s.Guidance),
		ResumedAt:  int64(s.ResumedAt),
	}
	if s.Columns != 0 {
		w.Interpolation = &langevinv1.Interpolation{Columns: int32(s.Columns)}
	}
	setCondition(w, s.Condition)
	switch sampler := s.Sampler.(type) {
	case client.AnnealedLangevin:
		w.Sampler = &langevinv1.Started_AnnealedLangevin{AnnealedLangevin: annealed(sampler)}
	case client.Langevin:
		w.Sampler = &langevinv1.Started_Langevin{Langevin: langevin(sampler)}
	case client.PredictorCorrector:
		w.Sampler = &langevinv1.Started_PredictorCorrector{PredictorCorrector: predictorCorrector(sampler)}
	case client.ProbabilityFlow:
		w.Sampler = &langevinv1.Started_ProbabilityFlow{ProbabilityFlow: probabilityFlow(sampler)}
	}
	return w
}

func annealed(a client.AnnealedLangevin) *langevinv1.AnnealedLangevin {
	return &langevinv1.AnnealedLangevin{
		Sigmas: a.Sigmas, StepsPerLevel: new(int32(a.StepsPerLevel)), StepLr: new(a.StepLR), Denoise: a.Denoise, Consistent: a.Consistent,
	}
}

func langevin(l client.Langevin) *langevinv1.Langevin {
	return &langevinv1.Langevin{
		Sigma: new(l.Sigma), Steps: new(int32(l.Steps)), StepSize: new(l.StepSize), Denoise: l.Denoise,
	}
}

func progress(p client.Progress) *langevinv1.Progress {
	w := &langevinv1.Progress{
		StepsDone:  p.StepsDone,
		StepsTotal: p.StepsTotal,
		ChainsDone: int64(p.ChainsDone),
		Step:       int64(p.Step),
		Level:      int32(p.Level),
		Sigma:      p.Sigma,
		Elapsed:    durationpb.New(p.Elapsed),
	}
	if p.Remaining > 0 {
		w.Remaining = durationpb.New(p.Remaining)
	}
	return w
}

func preview(p client.Preview) *langevinv1.Preview {
	w := &langevinv1.Preview{
		Step:       int64(p.Step),
		Level:      int32(p.Level),
		Sigma:      p.Sigma,
		Kind:       langevinv1.PreviewKind_PREVIEW_KIND_STATE,
		FirstChain: p.FirstChain,
		Tensor:     tensor(p.Batch),
		Dropped:    int64(p.Dropped),
	}
	if p.Denoised {
		w.Kind = langevinv1.PreviewKind_PREVIEW_KIND_DENOISED
	}
	return w
}

func done(d client.Done) *langevinv1.Done {
	return &langevinv1.Done{
		N:               int64(d.N),
		Nfe:             d.NFE,
		Elapsed:         durationpb.New(d.Elapsed),
		Queued:          durationpb.New(d.Queued),
		PreviewsDropped: int64(d.PreviewsDropped),
	}
}

func tensor(b client.Batch) *langevinv1.Tensor {
	data, _ := binary.Append(nil, binary.LittleEndian, b.X) // fails for types without a fixed size only
	return &langevinv1.Tensor{Shape: append([]int64{int64(b.N)}, axes(b.Shape)...), Data: data, Png: b.PNG}
}

func axes(shape []int) []int64 {
	all := make([]int64, len(shape))
	for i, n := range shape {
		all[i] = int64(n)
	}
	return all
}

func floats(t *langevinv1.Tensor) []float32 {
	x := make([]float32, len(t.GetData())/4)
	_, _ = binary.Decode(t.GetData(), binary.LittleEndian, x) // as long as x by construction
	return x
}

func ints(axes []int64) []int {
	var shape []int
	for _, n := range axes {
		shape = append(shape, int(n))
	}
	return shape
}

func model(m client.Model) *langevinv1.Model {
	w := &langevinv1.Model{
		Name:        m.Name,
		Version:     int32(m.Version),
		State:       state(m.State),
		Error:       m.Error,
		Default:     m.Default,
		Description: m.Description,
		Digest:      m.Digest,
		Shape:       axes(m.Shape),
		Sigmas:      m.Sigmas,
		Low:         m.Low,
		High:        m.High,
		Device:      m.Device,
		Training:    m.Training,
		Aliases:     m.Aliases,
	}
	switch s := m.Sampler.(type) {
	case client.AnnealedLangevin:
		w.Sampler = &langevinv1.Model_AnnealedLangevin{AnnealedLangevin: annealed(s)}
	case client.Langevin:
		w.Sampler = &langevinv1.Model_Langevin{Langevin: langevin(s)}
	}
	return w
}

func state(s client.ModelState) langevinv1.ModelState {
	switch s {
	case client.ModelLoading:
		return langevinv1.ModelState_MODEL_STATE_LOADING
	case client.ModelReady:
		return langevinv1.ModelState_MODEL_STATE_READY
	case client.ModelFailed:
		return langevinv1.ModelState_MODEL_STATE_FAILED
	}
	return langevinv1.ModelState_MODEL_STATE_UNSPECIFIED
}
