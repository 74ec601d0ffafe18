package rpc

import (
	"context"
	"log/slog"
	"math"

	"google.golang.org/protobuf/proto"

	"github.com/langevin-ml/langevin/models"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/server/auth"
	"github.com/langevin-ml/langevin/server/batch"
)

// minTolerance is the smallest useful tolerance, because scores are float32.
const minTolerance = 1e-7

// flowFunc is one of sampling's adaptive solvers.
type flowFunc func(context.Context, sampling.Model, sampling.FlowRequest) (sampling.FlowResult, error)

// flowCall is what Encode, Decode and LogLikelihood have in common.
type flowCall struct {
	model   string
	version int32
	field   string // of the request's tensor
	rows    *langevinv1.Tensor
	given   []*langevinv1.Given
	options *langevinv1.FlowOptions
	format  langevinv1.TensorFormat
	latents bool                        // whether the rows of the request are latents
	change  func(*sampling.FlowRequest) // sets the fields that only this call has; nil for none
	solve   flowFunc
}

// flowAnswer is the part that the three answers share.
type flowAnswer struct {
	model  string
	number int32
	digest string
	tensor *langevinv1.Tensor
	logP   []float64
	nfe    []int64
}

// Encode takes samples to latents.
func (s *Sampling) Encode(ctx context.Context, req *langevinv1.EncodeRequest) (*langevinv1.EncodeResponse, error) {
	a, err := s.flow(ctx, flowCall{
		model: req.GetModel(), version: req.GetVersion(), field: "x", rows: req.GetX(), given: req.GetGiven(),
		options: req.GetFlow(), format: req.GetFormat(), solve: sampling.FlowEncode,
	})
	if err != nil {
		return nil, err
	}
	return &langevinv1.EncodeResponse{Model: a.model, Version: a.number, Digest: a.digest, Latent: a.tensor,
		Nfe: a.nfe}, nil
}

// Decode takes latents to samples.
func (s *Sampling) Decode(ctx context.Context, req *langevinv1.DecodeRequest) (*langevinv1.DecodeResponse, error) {
	a, err := s.flow(ctx, flowCall{
		model: req.GetModel(), version: req.GetVersion(), field: "latent", rows: req.GetLatent(), given: req.GetGiven(),
		options: req.GetFlow(), format: req.GetFormat(), latents: true, solve: sampling.FlowDecode,
		change: func(r *sampling.FlowRequest) { r.Denoise = req.GetDenoise() },
	})
	if err != nil {
		return nil, err
	}
	return &langevinv1.DecodeResponse{Model: a.model, Version: a.number, Digest: a.digest, Sample: a.tensor,
		Nfe: a.nfe}, nil
}

// LogLikelihood computes log densities of samples.
func (s *Sampling) LogLikelihood(ctx context.Context,
	req *langevinv1.LogLikelihoodRequest) (*langevinv1.LogLikelihoodResponse, error) {
	a, err := s.flow(ctx, flowCall{
		model: req.GetModel(), version: req.GetVersion(), field: "x", rows: req.GetX(), given: req.GetGiven(),
		options: req.GetFlow(), solve: sampling.FlowLogLikelihood,
		change: func(r *sampling.FlowRequest) {
			r.Exact, r.Seed, r.FirstChain = req.GetExact(), req.GetSeed(), req.GetFirstChain()
		},
	})
	if err != nil {
		return nil, err
	}
	return &langevinv1.LogLikelihoodResponse{
		Model: a.model, Version: a.number, Digest: a.digest, LogLikelihood: a.logP, Nfe: a.nfe,
		FirstChain: req.GetFirstChain(),
	}, nil
}

// flowBytes is the memory that a flow call takes for each element of its rows, besides its request: the state and the
// seven slopes of the solver in float64, the points of an evaluation, the result and its message.
const flowBytes = 96

// flow validates a call, solves it when the model's semaphore admits it, and returns the result.
func (s *Sampling) flow(ctx context.Context, call flowCall) (flowAnswer, error) {
	loaded, err := acquire(ctx, s.host, call.model, call.version)
	if err != nil {
		return flowAnswer{}, err
	}
	defer loaded.Release()
	var bad invalid
	m := loaded.Entry.Manifest
	encoder := newEncoder(m, call.format, &bad)
	r, rows := s.flowRequest(call, loaded, &bad)
	if err := bad.err(); err != nil {
		return flowAnswer{}, err
	}
	annotate(ctx, slog.String("model", loaded.Entry.Name), slog.Int("rows", r.N))
	model := evaluator(ctx, loaded, 2*int64(proto.Size(call.rows))+int64(len(r.X))*flowBytes, nil)
	defer model.Close()
	result, err := call.solve(ctx, model, r)
	if err != nil {
		return flowAnswer{}, err
	}
	if !call.latents {
		encoder.shape = m.Shape // a latent's
	} else {
		result.X = decoded(m, result.X)
	}
	rows.volume(m, result.LogP, r.SigmaMin)
	tensor, err := encoder.tensor(result.X)
	if err != nil {
		return flowAnswer{}, err
	}
	a := flowAnswer{
		model: loaded.Entry.Name, number: int32(loaded.Entry.Version), digest: loaded.Entry.Digest,
		tensor: tensor, logP: result.LogP, nfe: make([]int64, len(result.NFE)),
	}
	for i, n := range result.NFE {
		a.nfe[i] = int64(n)
	}
	return a, nil
}

// evaluator returns a loaded model, or a sum of its scores, for one call that holds the given number of bytes. Every
// evaluation is charged to the caller, because the cost of a flow is known only at its end.
func evaluator(ctx context.Context, loaded *loadedModel, held int64, sum *sampling.Sum) *batch.Evaluator {
	return loaded.Value.Scheduler.Evaluator(batch.Call{
		Caller: auth.Caller(ctx), Held: held, Sum: sum,
		Charge: func(points int) error { return auth.Charge(ctx, int64(points)) },
	})
}

// volume makes the log densities of what the network sees of rows those of the rows as users see them.
func (r userRows) volume(m models.Manifest, logP []float64, sigma float64) {
	size := m.RowDim()
	for i := range logP {
		if m.Columns != nil {
			logP[i] += m.Columns.LogVolume(r.given[i*size:(i+1)*size], sigma)
		}
	}
}

// flowRequest returns what to solve, and the rows of the call.
func (s *Sampling) flowRequest(
	call flowCall, loaded *loadedModel, bad *invalid,
) (sampling.FlowRequest, userRows) {
	m := loaded.Entry.Manifest
	requireScore("model", loaded.Entry, bad)
	r := sampling.FlowRequest{
		SigmaMax: m.Sigmas[0], SigmaMin: m.Sigmas[len(m.Sigmas)-1], RTol: 1e-5, ATol: 1e-5,
		Dim: m.Dim(), MaxNFE: s.limits.Steps,
	}
	if o := call.options; o != nil {
		override(&r.SigmaMax, o.SigmaMax)
		override(&r.SigmaMin, o.SigmaMin)
		override(&r.RTol, o.Rtol)
		override(&r.ATol, o.Atol)
	}
	for field, v := range map[string]float64{"flow.rtol": r.RTol, "flow.atol": r.ATol} {
		if v < minTolerance {
			bad.add(field, v, "at least %g", minTolerance)
		}
	}
	checkSigmas(r, m, bad)
	var rows userRows
	if call.latents {
		rows.x = decodeRows(call.rows, call.field, "latents of "+m.Name, m.Shape, s.rowsFor(m), bad)
	} else {
		rows = rowsOf(call.rows, call.field, m, s.rowsFor(m), bad)
	}
	r.X = rows.x
	r.N = len(r.X) / r.Dim
	r.Given = givenOf(call.given, m, r.N, bad)
	if call.change != nil {
		call.change(&r)
	}
	if r.N > 0 && r.FirstChain > math.MaxUint64-uint64(r.N)+1 {
		bad.add("first_chain", r.FirstChain, "at most 2^64 less the %d rows", r.N)
	}
	if len(*bad) == 0 {
		if err := r.Validate(); err != nil {
			bad.join("flow.", err)
		}
	}
	return r, rows
}

// checkSigmas refuses sigmas far from those at which the network was trained. A sigma_max that is somewhat larger is of
// use: it makes the prior of a likelihood more exact.
func checkSigmas(r sampling.FlowRequest, m models.Manifest, bad *invalid) {
	const far = 100
	least, most := m.Sigmas[len(m.Sigmas)-1]/far, m.Sigmas[0]*far
	if r.SigmaMax > most {
		bad.add("flow.sigma_max", r.SigmaMax, "at most %g, %d times the largest sigma of %s", most, far, m.Name)
	}
	if r.SigmaMin > 0 && r.SigmaMin < least {
		bad.add("flow.sigma_min", r.SigmaMin, "at least %g, the smallest sigma of %s divided by %d", least, m.Name, far)
	}
}

// override replaces a default by the value of a request, if there is one.
func override(value, given *float64) {
	if given != nil {
		*value = *given
	}
}
