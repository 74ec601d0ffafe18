package oip

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/server/oip/inference"
	"github.com/langevin-ml/langevin/server/rpc"
)

// query is a request in terms of langevin.v1.
type query struct {
	target  target
	id      string
	typed   bool // the answer has typed contents, because the request has
	png     bool
	sample  *langevinv1.SampleRequest
	score   *langevinv1.ScoreRequest
	rows    int           // of the answer
	timeout time.Duration // 0 for none
}

// read turns a request into a query.
func (s *Service) read(t target, req *inference.ModelInferRequest) (*query, error) {
	q := &query{target: t, id: req.GetId(), rows: 1}
	inputs, typed, err := readInputs(req)
	if err != nil {
		return nil, err
	}
	q.typed = typed
	if t.score {
		q.score = &langevinv1.ScoreRequest{Model: t.GetName(), Version: t.GetVersion()}
		err = q.readScore(inputs)
	} else {
		q.sample = &langevinv1.SampleRequest{}
	}
	if err != nil {
		return nil, err
	}
	if err := q.readParameters(req.GetParameters()); err != nil {
		return nil, err
	}
	if !t.score {
		q.sample.Model, q.sample.Version = t.GetName(), t.GetVersion()
		if err := q.readSample(inputs); err != nil {
			return nil, err
		}
	}
	return q, q.readOutputs(req)
}

// readSample reads the number of chains and where they start.
func (q *query) readSample(inputs map[string]input) error {
	n := int64(1)
	count, hasCount := inputs["num_samples"]
	if hasCount {
		if err := count.check("num_samples", "INT64", 8, []int64{1}); err != nil {
			return err
		}
		n = int64(binary.LittleEndian.Uint64(count.data))
	}
	init, hasInit := inputs["init"]
	if hasInit {
		if len(q.target.GetColumns()) > 0 {
			return invalid("inputs.init", "set", "none: "+q.target.GetName()+" is a model of a table, whose rows are "+
				"no states")
		}
		if err := init.check("init", "FP32", 4, withRows(-1, q.target.GetShape())); err != nil {
			return err
		}
		if rows := init.shape[0]; hasCount && n != rows {
			return invalid("inputs.num_samples", n, fmt.Sprintf("%d, the rows of init, or none", rows))
		}
		n = init.shape[0]
		q.sample.Resume = &langevinv1.Resume{Digest: q.target.GetDigest(),
			X: &langevinv1.Tensor{Shape: init.shape, Data: init.data}}
	}
	q.sample.N, q.rows = &n, int(n)
	return onlyInputs(inputs, "num_samples", "init")
}

// readScore reads the points at which the network is evaluated.
func (q *query) readScore(inputs map[string]input) error {
	x, hasX := inputs["x"]
	sigma, hasSigma := inputs["sigma"]
	if !hasX || !hasSigma {
		return invalid("inputs", namesOf(inputs), "x and sigma")
	}
	if err := x.check("x", "FP32", 4, withRows(-1, q.target.GetShape())); err != nil {
		return err
	}
	if err := sigma.check("sigma", "FP32", 4, []int64{-1}); err != nil {
		return err
	}
	q.score.X = &langevinv1.Tensor{Shape: x.shape, Data: x.data}
	for i := 0; i < len(sigma.data); i += 4 {
		q.score.Sigma = append(q.score.Sigma, math.Float32frombits(binary.LittleEndian.Uint32(sigma.data[i:])))
	}
	q.rows = int(x.shape[0])
	return onlyInputs(inputs, "x", "sigma")
}

// namesOf returns the names of inputs for an error.
func namesOf(inputs map[string]input) string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(inputs)) {
		names = append(names, quoted(name))
	}
	return cmp.Or(strings.Join(names, ", "), "none")
}

func onlyInputs(inputs map[string]input, first, second string) error {
	for name := range inputs {
		if name != first && name != second {
			return invalid("inputs", quoted(name), first+" and "+second)
		}
	}
	return nil
}

// readOutputs reads which outputs the request wants.
func (q *query) readOutputs(req *inference.ModelInferRequest) error {
	asked := req.GetOutputs()
	if len(asked) > 1 {
		return invalid("outputs", fmt.Sprintf("%d outputs", len(asked)),
			"one, or none for the first that the model's metadata has")
	}
	for _, out := range asked {
		if err := checkClientParameters("outputs[0].", out.GetParameters()); err != nil {
			return err
		}
		known := q.target.outputs()
		names := ""
		found := false
		for _, k := range known {
			names += " " + k.name
			found = found || k.name == out.GetName()
		}
		if !found {
			return invalid("outputs", quoted(out.GetName()), "one of"+names)
		}
		if q.png = out.GetName() == "png"; q.png {
			q.sample.Format = langevinv1.TensorFormat_TENSOR_FORMAT_PNG
		}
	}
	return nil
}

// within does the work of the request within its timeout. Mistakes are named as this protocol does.
func (q *query) within(ctx context.Context, work func(context.Context) error) error {
	return rpc.RenameFields(rpc.Within(ctx, q.timeout, work), map[string]string{
		"n": "inputs.num_samples", "resume.x": "inputs.init", "x": "inputs.x", "sigma": "inputs.sigma",
		"first_chain": parameter("first_chain"), "preview.every_steps": parameter("stream_every"),
	})
}

// ModelInfer runs a model and returns all output in one message.
func (s *Service) ModelInfer(ctx context.Context, req *inference.ModelInferRequest) (*inference.ModelInferResponse,
	error) {
	t, err := s.find(ctx, req.GetModelName(), req.GetModelVersion())
	if err != nil {
		return nil, err
	}
	start := time.Now()
	resp, rows, err := s.infer(ctx, t, req)
	s.counts.add(t, start, rows, err)
	return resp, err
}

func (s *Service) infer(ctx context.Context, t target, req *inference.ModelInferRequest) (*inference.ModelInferResponse,
	int, error) {
	q, err := s.read(t, req)
	if err != nil {
		return nil, 0, err
	}
	if t.score {
		resp, err := s.inferScore(ctx, q)
		return resp, q.rows, err
	}
	if q.sample.GetPreview() != nil {
		return nil, 0, invalid(parameter("stream_every"), "set",
			"none: ModelInfer has one answer, ModelStreamInfer shows previews")
	}
	if most := s.config.MaxMessageBytes / (4 * t.dim()); q.rows > most {
		return nil, 0, invalid("inputs.num_samples", q.rows,
			fmt.Sprintf("at most %d, so that the answer fits in one message: ModelStreamInfer has no such limit", most))
	}
	c := &collector{query: q, most: s.config.MaxMessageBytes}
	draw := func(ctx context.Context) error { return s.sampler.Draw(ctx, q.sample, c.take) }
	if err := q.within(ctx, draw); err != nil {
		return nil, 0, err
	}
	return q.response(c.started, c.out), q.rows, nil
}

func (s *Service) inferScore(ctx context.Context, q *query) (*inference.ModelInferResponse, error) {
	var score *langevinv1.ScoreResponse
	err := q.within(ctx, func(ctx context.Context) (err error) {
		score, err = s.sampler.Score(ctx, q.score)
		return err
	})
	if err != nil {
		return nil, err
	}
	resp := q.empty()
	output{name: "score", shape: score.GetScore().GetShape(), data: score.GetScore().GetData()}.put(resp, q.typed)
	return resp, nil
}

// collector joins the chunks of a result.
type collector struct {
	query   *query
	most    int // bytes
	started *langevinv1.Started
	out     output
	size    int
}

func (c *collector) take(resp *langevinv1.SampleResponse) error {
	switch e := resp.GetEvent().(type) {
	case *langevinv1.SampleResponse_Started:
		c.started = e.Started
		c.out = c.query.output(&langevinv1.Tensor{})
		c.out.shape[0] = e.Started.GetN()
	case *langevinv1.SampleResponse_Chunk:
		part := e.Chunk.GetTensor()
		c.out.data = append(c.out.data, part.GetData()...)
		for _, picture := range part.GetPng() {
			c.out.strings = append(c.out.strings, picture)
			c.size += 4 + len(picture)
		}
		if c.size > c.most {
			return invalid("inputs.num_samples", c.query.rows,
				fmt.Sprintf("fewer: the pictures fill more than a message of %d bytes", c.most))
		}
	}
	return nil
}

// output turns a tensor of langevin.v1 into one of the answer.
func (q *query) output(part *langevinv1.Tensor) output {
	rows := int64(0)
	if shape := part.GetShape(); len(shape) > 0 {
		rows = shape[0]
	}
	if q.png {
		pictures := part.GetPng()
		if pictures == nil {
			pictures = [][]byte{}
		}
		return output{name: "png", shape: []int64{rows}, strings: pictures}
	}
	return output{name: "samples", shape: withRows(rows, q.target.GetShape()), data: part.GetData()}
}

// empty returns an answer without tensors.
func (q *query) empty() *inference.ModelInferResponse {
	return &inference.ModelInferResponse{
		ModelName: q.target.name(), ModelVersion: q.target.version(), Id: q.id,
		Parameters: map[string]*inference.InferParameter{},
	}
}

// response returns an answer with a tensor and the values that the server chose.
func (q *query) response(started *langevinv1.Started, out output) *inference.ModelInferResponse {
	resp := q.empty()
	resp.Parameters["seed"] = uintParam(started.GetSeed())
	resp.Parameters["total_steps"] = intParam(started.GetSteps())
	resp.Parameters["engine"] = stringParam(started.GetEngine())
	resp.Parameters["digest"] = stringParam(started.GetDigest())
	out.put(resp, q.typed)
	return resp
}
