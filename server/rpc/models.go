package rpc

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/langevin-ml/langevin/models"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/server/host"
)

const (
	defaultPageSize = 100
	maxPageSize     = 1000
)

// Models answers langevin.v1.ModelService.
type Models struct {
	langevinv1.UnimplementedModelServiceServer
	host *host.Host[*Engine]
}

// NewModels returns the service over the models of h.
func NewModels(h *host.Host[*Engine]) *Models { return &Models{host: h} }

var _ langevinv1.ModelServiceServer = (*Models)(nil)

// ListModels returns a page of what the host knows.
func (s *Models) ListModels(_ context.Context, req *langevinv1.ListModelsRequest) (*langevinv1.ListModelsResponse, error) {
	var bad invalid
	all := s.host.List()
	size := int(req.GetPageSize())
	if size < 0 || size > maxPageSize {
		bad.add("page_size", size, "0 to %d", maxPageSize)
	}
	if size == 0 {
		size = defaultPageSize
	}
	first := 0
	if token := req.GetPageToken(); token != "" {
		n, err := strconv.Atoi(token)
		if err != nil || n < 0 || n > len(all) {
			bad.add("page_token", quoted(token), "the next_page_token of an earlier answer")
		}
		first = n
	}
	if err := bad.err(); err != nil {
		return nil, err
	}
	end := min(first+size, len(all))
	resp := &langevinv1.ListModelsResponse{}
	for _, status := range all[first:end] {
		m, err := s.model(status)
		if err != nil {
			return nil, err
		}
		resp.Models = append(resp.Models, m)
	}
	if end < len(all) {
		resp.NextPageToken = strconv.Itoa(end)
	}
	return resp, nil
}

// GetModel returns one model.
func (s *Models) GetModel(_ context.Context, req *langevinv1.GetModelRequest) (*langevinv1.GetModelResponse, error) {
	status, err := s.host.Status(req.GetName(), int(req.GetVersion()))
	if err != nil {
		return nil, err
	}
	m, err := s.model(status)
	if err != nil {
		return nil, err
	}
	return &langevinv1.GetModelResponse{Model: m}, nil
}

func (s *Models) model(status host.Status[*Engine]) (*langevinv1.Model, error) {
	out := &langevinv1.Model{
		Name: status.Name, Version: int32(status.Version), Default: status.Default, State: stateProto(status.State),
	}
	if status.Err != nil {
		out.Error = status.Err.Error()
	}
	if status.Entry == nil { // a file that could not be read has no more to tell
		return out, nil
	}
	return out, describe(out, *status.Entry, status.Value)
}

// describe fills in what a model's file says.
func describe(out *langevinv1.Model, entry models.Entry, engine *Engine) error {
	m := entry.Manifest
	out.Description, out.Digest, out.Shape = m.Description, entry.Digest, shapeProto(m)
	out.Sigmas, out.Low, out.High = m.Sigmas, m.Range.Low, m.Range.High
	a, err := m.AnnealedLangevin()
	if err != nil {
		return err
	}
	out.Sampler = &langevinv1.Model_AnnealedLangevin{AnnealedLangevin: annealedProto(a)}
	if engine != nil {
		out.Device = engine.Device
	}
	if m.Training != nil {
		training, err := json.Marshal(m.Training)
		if err != nil {
			return fmt.Errorf("describe %s: %w", m.Name, err)
		}
		out.Training = string(training)
	}
	return nil
}

func stateProto(s host.State) langevinv1.ModelState {
	switch s {
	case host.Ready:
		return langevinv1.ModelState_MODEL_STATE_READY
	case host.Failed:
		return langevinv1.ModelState_MODEL_STATE_FAILED
	}
	return langevinv1.ModelState_MODEL_STATE_LOADING
}
