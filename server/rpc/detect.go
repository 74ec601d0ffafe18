package rpc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"google.golang.org/protobuf/proto"

	"github.com/langevin-ml/langevin/models"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/sampling"
)

// errNoDetector refuses to compare samples with data that a model's file says nothing of.
var errNoDetector = errors.New("the model has no detector")

// Detect says how unlike the training data samples are.
func (s *Sampling) Detect(ctx context.Context, req *langevinv1.DetectRequest) (*langevinv1.DetectResponse, error) {
	loaded, err := acquire(ctx, s.host, req.GetModel(), req.GetVersion())
	if err != nil {
		return nil, err
	}
	defer loaded.Release()
	m := loaded.Entry.Manifest
	if m.Detector == nil {
		return nil, fmt.Errorf("%w: %s, from rows that the training did not use", errNoDetector, fitting(loaded.Entry))
	}
	var bad invalid
	r := sampling.NormRequest{
		Sigmas: m.Detector.Sigmas, Dim: m.Dim(), X: rowsOf(req.GetX(), "x", m, s.rowsFor(m), &bad).x,
	}
	r.N = len(r.X) / r.Dim
	r.Given = detectGiven(req.GetGiven(), m, r.N, &bad)
	if err := bad.err(); err != nil {
		return nil, err
	}
	annotate(ctx, slog.String("model", loaded.Entry.Name), slog.Int("rows", r.N))
	model := evaluator(ctx, loaded, 2*int64(proto.Size(req))+4*int64(r.Elements()), nil)
	defer model.Close()
	norms, err := sampling.ScoreNorms(ctx, model, r)
	if err != nil {
		return nil, err
	}
	answer := &langevinv1.DetectResponse{
		Model: loaded.Entry.Name, Version: int32(loaded.Entry.Version), Digest: loaded.Entry.Digest,
		Calibrated: int64(len(m.Detector.Calibration)),
	}
	levels := len(r.Sigmas)
	for ; len(norms) > 0; norms = norms[levels:] {
		distance := m.Detector.Distance(norms[:levels])
		answer.Distance = append(answer.Distance, distance)
		answer.PValue = append(answer.PValue, m.Detector.PValue(distance))
		if req.GetDeviations() {
			answer.Deviation = append(answer.Deviation, m.Detector.Deviations(norms[:levels])...)
		}
	}
	detected(ctx, answer.GetPValue())
	return answer, nil
}

// fitting says how a model gets a detector. The file of a built-in model cannot be changed.
func fitting(e models.Entry) string {
	if e.Origin == models.OriginEmbedded {
		return fmt.Sprintf("it is built in, and langevin detect fit %s --data FILE --out FOLDER puts a copy with "+
			"one into a folder for models.dir", e.Name)
	}
	return fmt.Sprintf("langevin detect fit %s --models-dir FOLDER --data FILE adds one to its file in the folder of "+
		"models.dir", e.Name)
}

// detectGiven returns the conditions of rows. They must be there exactly if the detector was fitted with conditions,
// because the norms of scores with and without them differ.
func detectGiven(list []*langevinv1.Given, m models.Manifest, rows int, bad *invalid) []float32 {
	switch {
	case m.Detector.Given && len(list) == 0:
		bad.add("given", "missing", "%s, because the detector of %s was fitted with conditions", taken(m.Condition),
			m.Name)
		return nil
	case m.Condition != nil && !m.Detector.Given && len(list) > 0:
		bad.add("given", fmt.Sprintf("%d conditions", len(list)),
			"none, because the detector of %s was fitted without conditions", m.Name)
		return nil
	}
	return givenOf(list, m, rows, bad)
}
