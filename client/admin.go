package client

import (
	"context"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// ReloadFailure says why a model differs from the server's folder. The version loaded before stays in service.
type ReloadFailure struct {
	Name  string
	Error string
}

func (c *Client) admin() langevinv1.AdminServiceClient {
	return langevinv1.NewAdminServiceClient(c.conn)
}

// LoadModel makes the server read one model's folder. It returns the versions that are then ready, the newest first:
// new ones, changed ones, and ones that were unloaded. Version 0 means all. If the server requires tokens, the token
// needs the scope admin. Otherwise the server accepts the call only from the same machine or on its admin listener.
func (c *Client) LoadModel(ctx context.Context, name string, version int) ([]Model, error) {
	op := operation("load model", name)
	v, err := toInt32("version", version)
	if err != nil {
		return nil, during(op, err)
	}
	response, err := unary(ctx, c, op, &langevinv1.LoadModelRequest{Name: name, Version: v}, c.admin().LoadModel)
	if err != nil {
		return nil, err
	}
	loaded, err := newModels(response.GetModels())
	return loaded, during(op, err)
}

// UnloadModel takes a version of a model out of service, or all versions if it is 0, until LoadModel names it. Running
// calls finish. It needs the same rights as [Client.LoadModel].
func (c *Client) UnloadModel(ctx context.Context, name string, version int) error {
	op := operation("unload model", name)
	v, err := toInt32("version", version)
	if err != nil {
		return during(op, err)
	}
	_, err = unary(ctx, c, op, &langevinv1.UnloadModelRequest{Name: name, Version: v}, c.admin().UnloadModel)
	return err
}

// ReloadModels makes the server read its folder again. It returns all models, and the models that could not be loaded.
// It needs the same rights as [Client.LoadModel].
func (c *Client) ReloadModels(ctx context.Context) ([]Model, []ReloadFailure, error) {
	const op = "reload models"
	response, err := unary(ctx, c, op, &langevinv1.ReloadModelsRequest{}, c.admin().ReloadModels)
	if err != nil {
		return nil, nil, err
	}
	var failures []ReloadFailure
	for _, f := range response.GetFailures() {
		failures = append(failures, ReloadFailure{f.GetName(), f.GetError()})
	}
	all, err := newModels(response.GetModels())
	return all, failures, during(op, err)
}

func newModels(list []*langevinv1.Model) ([]Model, error) {
	all := make([]Model, len(list))
	for i, m := range list {
		var err error
		if all[i], err = newModel(m); err != nil {
			return nil, err
		}
	}
	return all, nil
}
