package main

import (
	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/training/nn"
)

// ncsnv2Network returns NCSNv2 for CIFAR-10 (Song & Ermon 2020): 29.7 M parameters, 32×32 colour images.
func ncsnv2Network() (network, error) {
	graph, err := nn.NCSNv2(nn.RefineNet{Shape: []int{3, 32, 32}, Channels: 128})
	if err != nil {
		return network{}, err
	}
	model, err := graph.ONNX("ncsnv2", graph.NewParams(1))
	if err != nil {
		return network{}, err
	}
	schedule, err := sampling.Geometric(50, 0.01, 232)
	if err != nil {
		return network{}, err
	}
	c := cost{Parameters: graph.NumParams()}
	for _, n := range graph.Nodes {
		if n.Op == nn.OpConv {
			weight := n.Inputs[1].Shape
			c.FLOPs += 2 * weight[0] * weight[1] * weight[2] * weight[3] * n.Shape[2] * n.Shape[3]
		}
	}
	m := imageManifest(32)
	m.Name, m.Shape, m.Sigmas = "ncsnv2", []int{3, 32, 32}, schedule.Sigmas()
	m.Sampler = models.Sampler{Kind: models.SamplerAnnealedLangevin, StepsPerLevel: 5, StepLR: 6.2e-6}
	return network{model: model, manifest: m, cost: c}, nil
}
