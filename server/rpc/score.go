package rpc

import (
	"context"
	"fmt"
	"log/slog"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/langevin-ml/langevin/models"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/sampling"
)

// Score evaluates a model at the points of a request.
func (s *Sampling) Score(ctx context.Context, req *langevinv1.ScoreRequest) (*langevinv1.ScoreResponse, error) {
	loaded, err := acquire(ctx, s.host, req.GetModel(), req.GetVersion())
	if err != nil {
		return nil, err
	}
	defer loaded.Release()
	var bad invalid
	m := loaded.Entry.Manifest
	requireScore("model", loaded.Entry, &bad)
	given := rowsOf(req.GetX(), "x", m, s.rowsFor(m), &bad)
	x := given.x
	rows := len(x) / m.Dim()
	sigma := sigmasOf(req, rows, &bad)
	encoder := newEncoder(m, req.GetFormat(), &bad)
	condition, sum := givenOf(req.GetGiven(), m, rows, &bad), &sampling.Sum{Own: 1}
	if !scaled(req.GetGiven(), req.GuidanceScale, m, sum, &bad) {
		sum = nil
	}
	if err := bad.err(); err != nil {
		return nil, err
	}
	annotate(ctx, slog.String("model", loaded.Entry.Name), slog.Int("rows", rows))
	score := make([]float32, len(x))
	model := evaluator(ctx, loaded, int64(proto.Size(req))+int64(len(x))*scoreBytes, sum)
	defer model.Close()
	if err := model.ScoreGiven(ctx, score, x, sigma, condition); err != nil {
		return nil, fmt.Errorf("score %d rows of %s: %w", rows, m.Name, err)
	}
	tensor, err := encoder.tensor(given.gradient(m, score))
	if err != nil {
		return nil, err
	}
	return &langevinv1.ScoreResponse{
		Model: loaded.Entry.Name, Version: int32(loaded.Entry.Version), Digest: loaded.Entry.Digest, Score: tensor,
	}, nil
}

// gradient returns the gradient along the rows as users see them, from the one along what the network sees.
func (r userRows) gradient(m models.Manifest, score []float32) []float32 {
	if m.Columns == nil {
		return score
	}
	width, size := m.Dim(), m.RowDim()
	along := make([]float32, len(r.given))
	for i := range len(r.given) / size {
		m.Columns.Gradient(along[i*size:(i+1)*size], score[i*width:(i+1)*width], r.given[i*size:(i+1)*size])
	}
	return along
}

// scoreBytes is the memory that the answer of a Score call takes for each element: as a tensor, a message and text.
const scoreBytes = 20

// rowsFor returns the number of rows of a model that a unary call may have. The answer must have room for them.
func (s *Sampling) rowsFor(m models.Manifest) int {
	return min(s.limits.ScoreRows, max(1, langevinv1.MaxEventBytes/(4*m.Dim())))
}

// sigmasOf returns one sigma for each row of the request.
func sigmasOf(req *langevinv1.ScoreRequest, rows int, bad *invalid) []float32 {
	sigma := req.GetSigma()
	if len(sigma) != rows && len(sigma) != 1 {
		bad.add("sigma", fmt.Sprintf("%d values", len(sigma)), "one for all rows, or one for each of the %d", rows)
		return nil
	}
	for i, v := range sigma {
		if !(v > 0) || v-v != 0 {
			bad.add(fmt.Sprintf("sigma[%d]", i), v, "a finite number above 0")
			return nil
		}
	}
	if len(sigma) < rows {
		return slices.Repeat(sigma, rows)
	}
	return sigma
}
