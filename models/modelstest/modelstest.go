// Package modelstest makes small models for tests: graphs of a few nodes that satisfy the contract of package models,
// without a training.
package modelstest

import (
	"testing"

	"github.com/gomlx/compute-onnx/support/protos"
	"google.golang.org/protobuf/proto"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/sampling"
)

// Manifest returns a valid manifest of a score model with the given name and sample shape: sigmas 10, 1 and 0.1, a
// normal prior of std 10, 5 steps at each level.
func Manifest(name string, shape ...int) models.Manifest {
	return models.Manifest{
		Format:           models.Format,
		Name:             name,
		Shape:            shape,
		Parameterization: models.ParameterizationScore,
		Sigmas:           []float64{10, 1, 0.1},
		Range:            models.Range{Low: -3, High: 3},
		Prior:            sampling.Prior{Kind: sampling.PriorNormal, Std: 10},
		Sampler:          models.Sampler{Kind: models.SamplerAnnealedLangevin, StepsPerLevel: 5, StepLR: 0.002},
	}
}

// File returns the bytes of a model file: model with m attached.
func File(t testing.TB, model *protos.ModelProto, m models.Manifest) []byte {
	t.Helper()
	if err := models.Attach(model, m); err != nil {
		t.Fatal(err)
	}
	return Bytes(t, model)
}

// WithManifest returns the bytes of a graph with the given texts as manifests, whatever they are.
func WithManifest(t testing.TB, model *protos.ModelProto, manifests ...string) []byte {
	t.Helper()
	for _, text := range manifests {
		model.MetadataProps = append(model.MetadataProps,
			&protos.StringStringEntryProto{Key: models.MetadataKey, Value: text})
	}
	return Bytes(t, model)
}

// Bytes returns the bytes of a graph without a manifest.
func Bytes(t testing.TB, model *protos.ModelProto) []byte {
	t.Helper()
	data, err := proto.MarshalOptions{Deterministic: true}.Marshal(model)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// GaussianFile returns the file of [Gaussian] on rows of dim elements, with the given name.
func GaussianFile(t testing.TB, name string, dim int) []byte {
	t.Helper()
	return File(t, Gaussian(dim), Manifest(name, dim))
}
