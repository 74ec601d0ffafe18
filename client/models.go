package client

import (
	"context"
	"iter"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// Model describes a model of the server.
type Model struct {
	Name        string
	Version     int
	State       ModelState
	Error       string // why it failed to load
	Default     bool   // whether an empty name in a request selects this model
	Description string
	Digest      string    // SHA-256 of the model file, in hexadecimal
	Shape       []int     // of one sample
	Sigmas      []float64 // the noise schedule it was trained with, the largest first
	Low, High   float64   // the smallest and largest value of the data
	Sampler     Sampler   // the model's default
	Device      string    // what runs it: cpu or cuda
	Training    string    // how it was trained, as JSON; empty if its file does not say
	Aliases     []string  // other names that select it

	Condition *ModelCondition // what samples may be given; nil for a model without conditions
	Table     []Column        // the columns of a table, in order; nil for other models
	Detector  *ModelDetector  // what Detect computes with; nil for a model without a detector
}

// StateShape returns the shape of one state in [Resume], and in a [Preview] that says ForResume: of a table what the
// network sees of a row, and otherwise Shape.
func (m Model) StateShape() []int { return stateShape(m.Shape, m.Table) }

// ModelCondition describes what the samples of a model may be given: one of a number of classes, or a vector of
// numbers.
type ModelCondition struct {
	Classes int      // 0 for a vector
	Size    int      // of the vector; 0 for classes
	Names   []string // of the classes, or of the numbers; or none
	Dropped bool     // whether the model was also trained without the condition
}

// ModelDetector describes the detector of a model, which [Client.Detect] needs.
type ModelDetector struct {
	Sigmas     []float64 // the noise levels at which it evaluates the network, the largest first
	Calibrated int       // samples that calibrate it; its smallest p-value is 1/(Calibrated+1)
	Given      bool      // whether rows need a condition of the model
}

// ModelState says whether a model can be sampled.
type ModelState string

// The states of a model. A server newer than this client may have others.
const (
	ModelLoading ModelState = "loading"
	ModelReady   ModelState = "ready"
	ModelFailed  ModelState = "failed" // see Model.Error
)

// Models yields the models of the server, including those that failed to load, by name and version, the newest version
// first. It requests pages as they are needed. An error comes as the last pair.
func (c *Client) Models(ctx context.Context) iter.Seq2[Model, error] {
	return func(yield func(Model, error) bool) {
		request := &langevinv1.ListModelsRequest{}
		for {
			page, err := unary(ctx, c, "list models", request, c.models.ListModels)
			if err != nil {
				yield(Model{}, err)
				return
			}
			for _, m := range page.GetModels() {
				model, err := newModel(m)
				if err != nil {
					yield(Model{}, during("list models", err))
					return
				}
				if !yield(model, nil) {
					return
				}
			}
			request.PageToken = page.GetNextPageToken()
			if request.GetPageToken() == "" {
				return
			}
		}
	}
}

// Model returns one model. An empty name selects the server's default model, and version 0 the newest.
func (c *Client) Model(ctx context.Context, name string, version int) (Model, error) {
	op := operation("get model", name)
	v, err := toInt32("version", version)
	if err != nil {
		return Model{}, during(op, err)
	}
	response, err := unary(ctx, c, op, &langevinv1.GetModelRequest{Name: name, Version: v}, c.models.GetModel)
	if err != nil {
		return Model{}, err
	}
	m, err := newModel(response.GetModel())
	return m, during(op, err)
}

func newModel(m *langevinv1.Model) (Model, error) {
	shape, _, err := shapeOf(m.GetShape())
	return Model{
		Name:        m.GetName(),
		Version:     int(m.GetVersion()),
		State:       newState(m.GetState()),
		Error:       m.GetError(),
		Default:     m.GetDefault(),
		Description: m.GetDescription(),
		Digest:      m.GetDigest(),
		Shape:       shape,
		Sigmas:      m.GetSigmas(),
		Low:         m.GetLow(),
		High:        m.GetHigh(),
		Sampler:     samplerIn(m),
		Device:      m.GetDevice(),
		Training:    m.GetTraining(),
		Aliases:     m.GetAliases(),
		Condition:   newModelCondition(m.GetCondition()),
		Table:       newTable(m.GetColumns()),
		Detector:    newModelDetector(m.GetDetector()),
	}, err
}

func newModelCondition(c *langevinv1.ModelCondition) *ModelCondition {
	if c == nil {
		return nil
	}
	return &ModelCondition{
		Classes: int(c.GetClasses()), Size: int(c.GetSize()), Names: c.GetNames(), Dropped: c.GetDropped(),
	}
}

func newModelDetector(d *langevinv1.ModelDetector) *ModelDetector {
	if d == nil {
		return nil
	}
	return &ModelDetector{Sigmas: d.GetSigmas(), Calibrated: int(d.GetCalibrated()), Given: d.GetGiven()}
}

func newState(s langevinv1.ModelState) ModelState {
	switch s {
	case langevinv1.ModelState_MODEL_STATE_LOADING:
		return ModelLoading
	case langevinv1.ModelState_MODEL_STATE_READY:
		return ModelReady
	case langevinv1.ModelState_MODEL_STATE_FAILED:
		return ModelFailed
	}
	return ModelState(s.String())
}
