package main

import (
	"fmt"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/training/nn"
)

// toyNetwork returns the network of the built-in toys, 2-128-128-2, with their noise schedule and 1000 steps per chain.
func toyNetwork() (network, error) {
	const hidden = 128
	graph, err := nn.ToyMLP(nn.MLP{Dim: 2, Hidden: hidden, Activation: nn.SiLU}, 2)
	if err != nil {
		return network{}, err
	}
	model, err := graph.ONNX("toy", graph.NewParams(1))
	if err != nil {
		return network{}, err
	}
	schedule, err := sampling.Geometric(20, 0.2, 50)
	if err != nil {
		return network{}, fmt.Errorf("toy: %w", err)
	}
	return network{
		model: model,
		manifest: models.Manifest{
			Format: models.Format, Name: "toy", Shape: []int{2}, Parameterization: models.ParameterizationScore,
			Sigmas: schedule.Sigmas(), Range: models.Range{Low: -8, High: 8},
			Prior:   sampling.Prior{Kind: sampling.PriorUniform, Low: -8, High: 8},
			Sampler: models.Sampler{Kind: models.SamplerAnnealedLangevin, StepsPerLevel: 20, StepLR: 0.002},
		},
		cost: cost{Parameters: graph.NumParams(), FLOPs: 2 * (3*hidden + hidden*hidden + hidden*2)},
	}, nil
}
