package training

import (
	"fmt"
	"slices"
	"strconv"

	"google.golang.org/protobuf/proto"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/training/data"
	"github.com/langevin-ml/langevin/training/nn"
)

// Result is a trained network.
type Result struct {
	Config       Config
	Network      *nn.Graph
	Params       []float32 // of Network: the moving average of the weights
	Iterations   int       // number done; less than in Config if the training was stopped
	Best         int       // the iteration after which Params were the best; 0: they are the last
	Loss         float64   // mean of LossPerLevel
	LossPerLevel []float64 // of Params on new draws; for a stopped training, of the last record
	History      []Record  // the records of the log

	schedule sampling.Schedule
	known    []float32      // vectors of the data that the training does not use; none without such a condition
	columns  models.Columns // of a table; nil for other data
	parts    map[data.Split]data.Source
	data     string
	commit   string
	device   string // empty for the CPU
}

// Schedule returns the noise schedule of the training.
func (r *Result) Schedule() sampling.Schedule { return r.schedule }

// Part returns a part of the data as the training read it, which draws the same rows as one that is opened again.
func (r *Result) Part(split data.Split) data.Source { return r.parts[split] }

// Manifest returns the manifest of the model file.
func (r *Result) Manifest() models.Manifest {
	c := r.Config
	m := models.Manifest{
		Name:             c.Name,
		Description:      c.Description,
		Shape:            slices.Clone(r.Network.X.Shape[1:]),
		Parameterization: models.ParameterizationScore,
		Sigmas:           r.schedule.Sigmas(),
		Range:            c.Range,
		Prior:            c.Prior,
		Sampler:          c.Sampler.manifest(),
		Training: &models.Training{
			Preset: c.Preset, Data: r.data, Commit: r.commit, Device: r.device,
			Iterations: r.Iterations, BatchSize: c.Training.BatchSize, Seed: c.Seed,
			Loss: rounded(r.Loss), LossPerLevel: roundedAll(r.LossPerLevel),
		},
	}
	m.Condition, m.Columns = conditionOf(c.Condition, r.Network.Condition), r.columns
	m.Format = m.WantFormat()
	return m
}

// Conditions returns n rows of the network's input c for samples of a figure: each class in turn, or vectors from data
// that the training does not use. It returns nil without a condition.
func (r *Result) Conditions(n int) []float32 {
	given := r.Network.Condition
	if given.Width() == 0 {
		return nil
	}
	raw := make([]float32, 0, n*max(given.Size, 1))
	for i := range n {
		if given.Classes > 0 {
			raw = append(raw, float32(i%given.Classes))
			continue
		}
		at := i * given.Size % len(r.known)
		raw = append(raw, r.known[at:at+given.Size]...)
	}
	c := make([]float32, n*given.Width())
	drop(c, raw, make([]float32, n), given, 0)
	return c
}

// ONNX returns the bytes of the model file: the graph, the weights and the manifest. The same Config gives the same
// bytes.
func (r *Result) ONNX() ([]byte, error) {
	model, err := r.Network.ONNX(r.Config.Name, r.Params)
	if err != nil {
		return nil, err
	}
	if r.Config.Training.HalfWeights {
		if err := models.StoreHalf(model); err != nil {
			return nil, fmt.Errorf("export %s: %w", r.Config.Name, err)
		}
	}
	if err := models.Attach(model, r.Manifest()); err != nil {
		return nil, fmt.Errorf("export %s: %w", r.Config.Name, err)
	}
	file, err := proto.MarshalOptions{Deterministic: true}.Marshal(model)
	if err != nil {
		return nil, fmt.Errorf("export %s: %w", r.Config.Name, err)
	}
	return file, nil
}

// rounded returns the first four digits of a loss. The others are noise.
func rounded(v float64) float64 {
	short, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 4, 64), 64)
	if err != nil {
		return v
	}
	return short
}

func roundedAll(values []float64) []float64 {
	short := make([]float64, len(values))
	for i, v := range values {
		short[i] = rounded(v)
	}
	return short
}
