package rpc

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
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

// ListModels returns a page of the host's models.
func (s *Models) ListModels(_ context.Context, req *langevinv1.ListModelsRequest) (*langevinv1.ListModelsResponse,
	error) {
	var bad invalid
	all, err := s.all()
	if err != nil {
		return nil, err
	}
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
	resp := &langevinv1.ListModelsResponse{Models: all[first:end]}
	if end < len(all) {
		resp.NextPageToken = strconv.Itoa(end)
	}
	return resp, nil
}

// GetModel returns one model.
func (s *Models) GetModel(_ context.Context, req *langevinv1.GetModelRequest) (*langevinv1.GetModelResponse, error) {
	if err := checkModel(req.GetName(), req.GetVersion(), "name"); err != nil {
		return nil, err
	}
	all, err := s.all()
	if err != nil {
		return nil, err
	}
	name, version := s.host.Resolve(req.GetName(), int(req.GetVersion()))
	name = cmp.Or(name, s.host.DefaultModel())
	if m := find(all, name, int32(version)); m != nil {
		return &langevinv1.GetModelResponse{Model: m}, nil
	}
	var entries []models.Entry
	for _, status := range s.host.List() {
		entries = append(entries, status.Entry)
	}
	return nil, s.host.Missing(entries, nil, name, version)
}

// find returns the given version. For version 0 it returns the newest one that is ready, as the host does, or else the
// newest one that loads, or else the newest.
func find(all []*langevinv1.Model, name string, version int32) *langevinv1.Model {
	var loading, failed *langevinv1.Model
	for _, m := range all {
		if m.GetName() != name || version != 0 && m.GetVersion() != version {
			continue
		}
		switch m.GetState() {
		case langevinv1.ModelState_MODEL_STATE_READY:
			return m
		case langevinv1.ModelState_MODEL_STATE_LOADING:
			loading = cmp.Or(loading, m)
		default:
			failed = cmp.Or(failed, m)
		}
	}
	return cmp.Or(loading, failed)
}

// all describes the host's models by name, and then from the newest version to the oldest. Invalid files are included
// as failed models.
func (s *Models) all() ([]*langevinv1.Model, error) {
	var all []*langevinv1.Model
	devices := s.devices()
	for _, status := range s.host.List() {
		m, err := s.describe(status, devices[status.Entry.Digest])
		if err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	for _, p := range s.host.Problems() {
		if p.Name != "" && p.Version > 0 {
			all = append(all, &langevinv1.Model{
				Name: p.Name, Version: int32(p.Version), State: langevinv1.ModelState_MODEL_STATE_FAILED,
				Error: p.Err.Error(),
			})
		}
	}
	slices.SortStableFunc(all, func(a, b *langevinv1.Model) int {
		return cmp.Or(cmp.Compare(a.GetName(), b.GetName()), cmp.Compare(b.GetVersion(), a.GetVersion()))
	})
	for _, m := range all {
		entry := models.Entry{Name: m.GetName(), Version: int(m.GetVersion())}
		m.Aliases = s.host.Aliases(entry, find(all, m.GetName(), 0) == m)
	}
	return all, nil
}

// devices returns the device of each loaded model, by digest.
func (s *Models) devices() map[string]string {
	devices := map[string]string{}
	for _, loaded := range s.host.Ready() {
		devices[loaded.Entry.Digest] = loaded.Value.Device
		loaded.Release()
	}
	return devices
}

// describe combines the host's and the file's description of a model.
func (s *Models) describe(status host.Status, device string) (*langevinv1.Model, error) {
	entry := status.Entry
	m := entry.Manifest
	sampler := defaultSampler(m)
	if _, err := complete(sampler, m); err != nil {
		return nil, err
	}
	out := &langevinv1.Model{
		Name: entry.Name, Version: int32(entry.Version), Default: entry.Name == s.host.DefaultModel(),
		State: stateProto(status.State), Description: m.Description, Digest: entry.Digest, Shape: shapeProto(m),
		Sigmas: m.Sigmas, Columns: columnsProto(m), Low: m.Range.Low, High: m.Range.High, Device: device,
	}
	langevinv1.SetSampler(out, sampler)
	if c := m.Condition; c != nil {
		out.Condition = &langevinv1.ModelCondition{
			Classes: int32(c.Classes), Size: int32(c.Size), Names: c.Names, Dropped: c.Dropped,
		}
	}
	if d := m.Detector; d != nil {
		out.Detector = &langevinv1.ModelDetector{
			Sigmas: d.Sigmas, Calibrated: int64(len(d.Calibration)), Given: d.Given,
		}
	}
	if status.Err != nil {
		out.Error = status.Err.Error()
	}
	if m.Training != nil {
		training, err := json.Marshal(m.Training)
		if err != nil {
			return nil, fmt.Errorf("describe %s: %w", m.Name, err)
		}
		out.Training = string(training)
	}
	return out, nil
}

// columnsProto describes the columns of a model; nil without them.
func columnsProto(m models.Manifest) []*langevinv1.Column {
	var columns []*langevinv1.Column
	for _, c := range m.Columns {
		column := &langevinv1.Column{
			Name: c.Name, Kind: kindProto(c.Kind), Unit: c.Unit, Decimals: int32(c.Decimals), Words: c.Words,
			Low: models.Shortest(c.Low), High: models.Shortest(c.High), Width: int32(c.Width()),
		}
		for _, v := range c.Values {
			column.Values = append(column.Values, models.Shortest(v))
		}
		columns = append(columns, column)
	}
	return columns
}

func kindProto(kind models.ColumnKind) langevinv1.ColumnKind {
	switch kind {
	case models.ColumnNumber:
		return langevinv1.ColumnKind_COLUMN_KIND_NUMBER
	case models.ColumnInteger:
		return langevinv1.ColumnKind_COLUMN_KIND_INTEGER
	case models.ColumnCategory:
		return langevinv1.ColumnKind_COLUMN_KIND_CATEGORY
	case models.ColumnConstant:
		return langevinv1.ColumnKind_COLUMN_KIND_CONSTANT
	}
	return langevinv1.ColumnKind_COLUMN_KIND_UNSPECIFIED
}

func stateProto(s host.State) langevinv1.ModelState {
	switch s {
	case host.StateReady:
		return langevinv1.ModelState_MODEL_STATE_READY
	case host.StateFailed:
		return langevinv1.ModelState_MODEL_STATE_FAILED
	}
	return langevinv1.ModelState_MODEL_STATE_LOADING
}
