package oip

import (
	"context"
	"fmt"
	"strings"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/server/auth"
	"github.com/langevin-ml/langevin/server/oip/inference"
)

// Lifecycle loads and unloads models.
type Lifecycle interface {
	LoadModel(context.Context, *langevinv1.LoadModelRequest) (*langevinv1.LoadModelResponse, error)
	UnloadModel(context.Context, *langevinv1.UnloadModelRequest) (*langevinv1.UnloadModelResponse, error)
}

// RepositoryModelLoad loads every version of a model, as AdminService does. This loads its network too.
func (s *Service) RepositoryModelLoad(ctx context.Context,
	req *inference.RepositoryModelLoadRequest) (*inference.RepositoryModelLoadResponse, error) {
	if err := s.checkRepository(req.GetRepositoryName(), req.GetParameters()); err != nil {
		return nil, err
	}
	_, err := s.config.Lifecycle.LoadModel(ctx, &langevinv1.LoadModelRequest{Name: modelOf(req.GetModelName())})
	return &inference.RepositoryModelLoadResponse{}, err
}

// RepositoryModelUnload takes a model and its network out of service.
func (s *Service) RepositoryModelUnload(ctx context.Context,
	req *inference.RepositoryModelUnloadRequest) (*inference.RepositoryModelUnloadResponse, error) {
	if err := s.checkRepository(req.GetRepositoryName(), req.GetParameters()); err != nil {
		return nil, err
	}
	_, err := s.config.Lifecycle.UnloadModel(ctx, &langevinv1.UnloadModelRequest{Name: modelOf(req.GetModelName())})
	return &inference.RepositoryModelUnloadResponse{}, err
}

// modelOf returns the name of the model behind a model of the protocol.
func modelOf(name string) string { return strings.TrimSuffix(name, scoreSuffix) }

// checkRepository returns an error if the call would have an effect that the client does not expect.
func (s *Service) checkRepository(repository string, parameters map[string]*inference.ModelRepositoryParameter) error {
	if s.config.Lifecycle == nil {
		return fmt.Errorf("%w: this listener does not load models: see AdminService", auth.ErrForbidden)
	}
	if repository != "" {
		return invalid("repository_name", quoted(repository), "nothing: there is one repository")
	}
	for name := range parameters {
		if name != "unload_dependents" { // clients always send it; no model has dependents
			return invalid(parameter(quoted(name)), "set", "none: a model is configured by its file")
		}
	}
	return nil
}
