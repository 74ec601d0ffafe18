package ort

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/training/nn"
)

// TestFunction compares a graph of three outputs with its second implementation, for more rows than one part has.
func TestFunction(t *testing.T) {
	g, err := nn.Classifier{Shape: []int{1, 4, 4}, Channels: 2, Features: 3, Classes: 4}.Build()
	if err != nil {
		t.Fatal(err)
	}
	params := g.NewParams(1)
	model, err := g.ONNX("test", params)
	if err != nil {
		t.Fatal(err)
	}
	file, err := proto.Marshal(model)
	if err != nil {
		t.Fatal(err)
	}
	f, err := theRuntime(t).LoadFunction(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const rows = 300
	x := make([]float32, rows*16)
	for i := range x {
		x[i] = float32(math.Mod(0.37*float64(i), 1))
	}
	got, err := f.Evaluate(t.Context(), x)
	if err != nil {
		t.Fatal(err)
	}
	if len(got["features"].X) != rows*3 || len(got["probabilities"].X) != rows*4 || got["logits"].Dim != 4 {
		t.Fatalf("features %d, probabilities %d numbers", len(got["features"].X), len(got["probabilities"].X))
	}
	for i := range rows {
		var sum, exps float64
		for k := range 4 {
			sum += float64(got["probabilities"].X[4*i+k])
			exps += math.Exp(float64(got["logits"].X[4*i+k]))
		}
		if p := float64(got["probabilities"].X[4*i]); math.Abs(sum-1) > 1e-5 ||
			math.Abs(p-math.Exp(float64(got["logits"].X[4*i]))/exps) > 1e-5 {
			t.Fatalf("row %d: probabilities sum to %g, the first is %g", i, sum, p)
		}
	}
	alone, err := f.Evaluate(t.Context(), x[299*16:])
	if err != nil || math.Abs(float64(alone["logits"].X[0]-got["logits"].X[299*4])) > 1e-5 {
		t.Errorf("the last row alone gives %v, %v; with others %v", alone["logits"].X, err, got["logits"].X[299*4:])
	}
	if _, err := f.Evaluate(t.Context(), x[:15]); err == nil || !strings.Contains(err.Error(), "15 numbers") {
		t.Errorf("half a row: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.Evaluate(ended, x); !errors.Is(err, context.Canceled) {
		t.Errorf("a context that ended: %v", err)
	}
	if _, err := theRuntime(t).LoadFunction(file[:len(file)/2]); !errors.Is(err, models.ErrInvalid) {
		t.Errorf("half a file: %v", err)
	}
}
