package fake

import (
	"bytes"
	"encoding/binary"
	"image/png"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/langevin-ml/langevin/client"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// This file has the inverse of package client's conversions.

func sampleRequest(w *langevinv1.SampleRequest) client.SampleRequest {
	return client.SampleRequest{
		Model:      w.GetModel(),
		Version:    int(w.GetVersion()),
		N:          int(w.GetN()),
		Seed:       w.Seed,
		FirstChain: w.GetFirstChain(),
		Sampler:    client.SamplerOf(langevinv1.SamplerIn(w)),
		Preview:    previewOptions(w.GetPreview()),
		Condition:  condition(w),
		Columns:    int(w.GetInterpolation().GetColumns()),
		Resume:     resume(w.GetResume()),
		Guidance:   guidance(w.GetGuidance()),
		Given:      client.GivenOf(w.GetGiven()),
		Sum:        sum(w.OwnWeight, w.GetTerms()),
		PNG:        w.GetFormat() == langevinv1.TensorFormat_TENSOR_FORMAT_PNG,

		GuidanceScale: w.GuidanceScale,
		Measurement:   measurement(w.GetMeasurement()),
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
		MaxFrames:  int(w.GetMaxFrames()),
		Chains:     int(w.GetChains()),
		Denoised:   w.GetKind() == langevinv1.PreviewKind_PREVIEW_KIND_DENOISED,
		Unfinished: w.GetForResume(),
	}
}

func scoreRequest(w *langevinv1.ScoreRequest) client.ScoreRequest {
	return client.ScoreRequest{
		Model: w.GetModel(), Version: int(w.GetVersion()),
		X: floats(w.GetX()), Shape: rowShape(w.GetX()), Sigma: w.GetSigma(),
		Given: client.GivenOf(w.GetGiven()), GuidanceScale: w.GuidanceScale,
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

// drawn returns an event whose rows are pictures, if it has rows.
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
		return b, &client.Error{Code: codes.InvalidArgument, Reason: langevinv1.ReasonInvalid, Message: "format: " +
			err.Error()}
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
			Chunk: &langevinv1.Chunk{
				FirstChain: e.FirstChain, Tensor: tensor(e.Batch),
				EffectiveSize: e.EffectiveSizes, LogEvidence: e.LogEvidences,
			},
		}}
	case client.Done:
		return &langevinv1.SampleResponse{Event: &langevinv1.SampleResponse_Done{Done: done(e)}}
	}
	return &langevinv1.SampleResponse{} // the client receives an event that it does not know
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
		Resumable:  s.Resumable,
		Columns:    client.TableMessage(s.Table),

		GuidanceScale: s.GuidanceScale,
		Approximate:   s.Approximate,
	}
	w.Given, _ = client.GivenList(s.Given) // an Each in an Each is left out
	setSum(w, s.Sum)
	w.Measurement, _ = client.MeasurementMessage(s.Measurement) // one that the API cannot state is left out
	if s.Columns != 0 {
		w.Interpolation = &langevinv1.Interpolation{Columns: int32(s.Columns)}
	}
	setCondition(w, s.Condition)
	setSampler(w, s.Sampler)
	return w
}

// setSampler puts a sampler into a message that has a field for it. A sampler that no message can hold is left out, as
// with a newer server.
func setSampler(holder proto.Message, s client.Sampler) {
	if s == nil {
		return
	}
	if message, err := client.SamplerMessage(s); err == nil {
		langevinv1.SetSampler(holder, message)
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
		ForResume:  p.ForResume,
	}
	if p.Denoised {
		w.Kind = langevinv1.PreviewKind_PREVIEW_KIND_DENOISED
	}
	return w
}

func done(d client.Done) *langevinv1.Done {
	w := &langevinv1.Done{
		N:               int64(d.N),
		Nfe:             d.NFE,
		Elapsed:         durationpb.New(d.Elapsed),
		Queued:          durationpb.New(d.Queued),
		PreviewsDropped: int64(d.PreviewsDropped),
		Collapsed:       int64(d.Collapsed),
	}
	if d.EffectiveSize > 0 {
		w.EffectiveSize, w.LogEvidence = &d.EffectiveSize, &d.LogEvidence
	}
	return w
}

func tensor(b client.Batch) *langevinv1.Tensor {
	data, _ := binary.Append(nil, binary.LittleEndian, b.X) // fails only for types without a fixed size
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
		Columns:     client.TableMessage(m.Table),
	}
	if d := m.Detector; d != nil {
		w.Detector = &langevinv1.ModelDetector{
			Sigmas: d.Sigmas, Calibrated: int64(d.Calibrated), Given: d.Given,
		}
	}
	if c := m.Condition; c != nil {
		w.Condition = &langevinv1.ModelCondition{
			Classes: int32(c.Classes), Size: int32(c.Size), Names: c.Names, Dropped: c.Dropped,
		}
	}
	setSampler(w, m.Sampler)
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
