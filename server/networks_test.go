package server_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/models/modelstest"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/server"
)

// floats draws a request and decodes its samples.
func (r *running) floats(t *testing.T, req *langevinv1.SampleRequest) []float32 {
	t.Helper()
	data, err := r.data(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	x := make([]float32, len(data)/4)
	if err := binary.Read(bytes.NewReader(data), binary.LittleEndian, x); err != nil {
		t.Fatal(err)
	}
	return x
}

// serving starts a server with the models that ship with the program and the given ones.
func serving(t *testing.T, files map[string][]byte) *running {
	t.Helper()
	dir := t.TempDir()
	for name, data := range files {
		path := filepath.Join(dir, name, "1", "model.onnx")
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, data, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	return start(t, func(c *server.Config) {
		withBuiltIn(c)
		c.Models.Dir, c.Models.Default = dir, "2gauss"
	})
}

// TestGuidedNetwork: the shipped network of two Gaussians is guided by the gradient of a classifier. Nearly every chain
// ends in the requested class, even in the class with a fifth of the data.
func TestGuidedNetwork(t *testing.T) {
	r := serving(t, map[string][]byte{
		"common": modelstest.File(t, modelstest.ClassGradient([]float32{5, 5}, 4), modelstest.Manifest("common", 2)),
		"rare":   modelstest.File(t, modelstest.ClassGradient([]float32{-5, -5}, 0.25), modelstest.Manifest("rare", 2)),
	})
	mixture := sampling.TwoGaussians()
	for class, guide := range []string{"common", "rare"} {
		x := r.floats(t, &langevinv1.SampleRequest{
			Model: "2gauss", N: proto.Int64(256), Seed: proto.Uint64(1), Guidance: &langevinv1.Guidance{Model: guide},
		})
		if share := mixture.Shares(x)[class]; share < 0.95 {
			t.Errorf("guided to %s: %.3f of the chains end there, want above 0.95", guide, share)
		}
	}
}

// TestParameterizations: a network that predicts the noise or the denoised data is served as the score it means. The
// last digits differ, because the computation has another order.
func TestParameterizations(t *testing.T) {
	all := []models.Parameterization{models.ParameterizationScore, models.ParameterizationNoise,
		models.ParameterizationDenoised}
	files := map[string][]byte{}
	for _, p := range all {
		m := modelstest.Manifest(string(p), 3)
		m.Parameterization = p
		files[string(p)] = modelstest.File(t, modelstest.GaussianAs(p, 3), m)
	}
	r := serving(t, files)
	order := func(p models.Parameterization) *langevinv1.SampleRequest {
		return &langevinv1.SampleRequest{Model: string(p), N: proto.Int64(40), Seed: proto.Uint64(3)}
	}
	want := r.floats(t, order(all[0]))
	for _, p := range all[1:] {
		for i, v := range r.floats(t, order(p)) {
			if off := math.Abs(float64(v - want[i])); !(off <= 1e-4) {
				t.Fatalf("%s: element %d is %g off that of the score", p, i, off)
			}
		}
	}
}
