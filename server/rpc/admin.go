package rpc

import (
	"context"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/server/host"
)

// Reloader changes the host's models and informs those who depend on them.
type Reloader interface {
	Load(ctx context.Context, name string, version int) error
	Unload(name string, version int) error
	ReloadAll(ctx context.Context) []host.Failure
}

// Admin answers langevin.v1.AdminService.
type Admin struct {
	langevinv1.UnimplementedAdminServiceServer
	reloader Reloader
	models   *Models
}

// NewAdmin returns the service that changes models through reloader and describes them through models.
func NewAdmin(reloader Reloader, models *Models) *Admin {
	return &Admin{reloader: reloader, models: models}
}

var _ langevinv1.AdminServiceServer = (*Admin)(nil)

// checkNamed is checkModel for calls that must name a model.
func checkNamed(name string, version int32) error {
	if name == "" {
		var bad invalid
		bad.add("name", quoted(name), "a model's name")
		return bad.err()
	}
	return checkModel(name, version, "name")
}

// LoadModel brings a model into service.
func (s *Admin) LoadModel(ctx context.Context, req *langevinv1.LoadModelRequest) (*langevinv1.LoadModelResponse,
	error) {
	if err := checkNamed(req.GetName(), req.GetVersion()); err != nil {
		return nil, err
	}
	if err := s.reloader.Load(ctx, req.GetName(), int(req.GetVersion())); err != nil {
		return nil, err
	}
	all, err := s.models.all()
	resp := &langevinv1.LoadModelResponse{}
	for _, m := range all {
		if m.GetName() == req.GetName() && (req.GetVersion() == 0 || m.GetVersion() == req.GetVersion()) {
			resp.Models = append(resp.Models, m)
		}
	}
	return resp, err
}

// UnloadModel takes a model out of service.
func (s *Admin) UnloadModel(_ context.Context, req *langevinv1.UnloadModelRequest) (*langevinv1.UnloadModelResponse,
	error) {
	if err := checkNamed(req.GetName(), req.GetVersion()); err != nil {
		return nil, err
	}
	if err := s.reloader.Unload(req.GetName(), int(req.GetVersion())); err != nil {
		return nil, err
	}
	return &langevinv1.UnloadModelResponse{}, nil
}

// ReloadModels reads the models' folder again.
func (s *Admin) ReloadModels(ctx context.Context, _ *langevinv1.ReloadModelsRequest) (*langevinv1.ReloadModelsResponse,
	error) {
	failures := s.reloader.ReloadAll(ctx)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	all, err := s.models.all()
	resp := &langevinv1.ReloadModelsResponse{Models: all}
	for _, f := range failures {
		resp.Failures = append(resp.Failures, &langevinv1.ReloadFailure{Name: f.Name, Error: f.Err.Error()})
	}
	return resp, err
}
