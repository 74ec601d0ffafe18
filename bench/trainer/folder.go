package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"

	"google.golang.org/protobuf/proto"

	"github.com/langevin-ml/langevin/training"
)

// settings is settings.json. With the weights in model.onnx and the first batches in batches.bin, it is what another
// side needs. batches.bin is little-endian float32 and has x, z, sigma and weight of each batch.
type settings struct {
	Network    string    `json:"network"`
	Shape      []int     `json:"shape"`      // shape of one sample
	Rows       int       `json:"rows"`       // rows in a batch
	Parameters []string  `json:"parameters"` // names of the trained tensors in model.onnx
	Sigmas     []float64 `json:"sigmas"`     // sigmas of the rows
	Weights    []float64 `json:"weights"`    // weights of the losses at these sigmas
	Scale      float64   `json:"scale"`      // the network's scale, or 0 if it has none
	Mean       float64   `json:"mean"`
	Std        float64   `json:"std"`
	Blocks     int       `json:"blocks"`
	Optimizer  optimizer `json:"optimizer"`
}

// optimizer is Adam and the decay of the averaged weights.
type optimizer struct {
	LearningRate float64 `json:"learning_rate"`
	Beta1        float64 `json:"beta1"`
	Beta2        float64 `json:"beta2"`
	Epsilon      float64 `json:"epsilon"`
	EMA          float64 `json:"ema"`
}

func newSettings(c training.Config, start *training.Beginning) settings {
	n, o := c.Network, c.Optimizer
	s := settings{
		Network: n.Name, Shape: start.Network.X.Shape[1:], Rows: c.Training.BatchSize,
		Scale: n.Scale, Mean: n.Mean, Std: n.Std, Blocks: n.Blocks,
		Optimizer: optimizer{o.LearningRate, o.Beta1, o.Beta2, o.Epsilon, o.EMA},
	}
	for _, p := range start.Network.Params {
		s.Parameters = append(s.Parameters, p.Name)
	}
	for _, l := range start.Levels {
		s.Sigmas, s.Weights = append(s.Sigmas, l.Sigma), append(s.Weights, l.Weight)
	}
	return s
}

func writeBeginning(folder string, c training.Config, start *training.Beginning) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	text, err := json.Marshal(newSettings(c, start))
	if err != nil {
		return err
	}
	model, err := start.Network.ONNX(c.Name, start.Params)
	if err != nil {
		return err
	}
	network, err := proto.Marshal(model)
	if err != nil {
		return err
	}
	for name, content := range map[string][]byte{"settings.json": text, "model.onnx": network,
		"batches.bin": encoded(start.Batches)} {
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func encoded(batches []training.Batch) []byte {
	var out bytes.Buffer
	for _, b := range batches {
		for _, values := range [][]float32{b.X, b.Z, b.Sigma, b.Weight} {
			_ = binary.Write(&out, binary.LittleEndian, values) // a buffer never fails
		}
	}
	return out.Bytes()
}
