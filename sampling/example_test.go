package sampling_test

import (
	"context"
	"fmt"
	"log"

	"github.com/langevin-ml/langevin/sampling"
)

// A noise schedule with a constant ratio, as in the first NCSN paper.
func ExampleGeometric() {
	schedule, err := sampling.Geometric(10, 0.1, 5)
	if err != nil {
		log.Fatal(err)
	}
	for level := range schedule.Levels() {
		fmt.Printf("level %d: sigma %.3f\n", level, schedule.Sigma(level))
	}
	// Output:
	// level 0: sigma 10.000
	// level 1: sigma 3.162
	// level 2: sigma 1.000
	// level 3: sigma 0.316
	// level 4: sigma 0.100
}

// Annealed Langevin dynamics finds the weights of a mixture of two Gaussians, 0.8 and 0.2. The mixture is a model with
// an exact score; a trained network takes its place in the same way.
func ExampleAnnealedLangevin() {
	mixture := sampling.TwoGaussians()
	schedule, err := sampling.Geometric(20, 1, 10)
	if err != nil {
		log.Fatal(err)
	}
	plan, err := sampling.AnnealedLangevin{Schedule: schedule, StepsPerLevel: 100, StepLR: 0.05}.Plan()
	if err != nil {
		log.Fatal(err)
	}
	x, err := sampling.Run(context.Background(), mixture.Annealed(), sampling.Request{
		Plan:  plan,
		Prior: sampling.Prior{Kind: sampling.PriorUniform, Low: -8, High: 8},
		Dim:   mixture.Dim(),
		N:     1000,
		Seed:  1,
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d score evaluations for each chain\n", plan.NFE())
	for k, share := range mixture.Shares(x) {
		fmt.Printf("%.1f of the samples are nearest to %v\n", share, mixture.Means[k])
	}
	// Output:
	// 1000 score evaluations for each chain
	// 0.8 of the samples are nearest to [5 5]
	// 0.2 of the samples are nearest to [-5 -5]
}

// The probability flow has no noise: the initial state determines the sample. A Karras schedule needs few steps.
func ExampleProbabilityFlow() {
	mixture := sampling.TwoGaussians()
	schedule, err := sampling.Karras(100, 0.01, 30, 7)
	if err != nil {
		log.Fatal(err)
	}
	flow := sampling.ProbabilityFlow{Schedule: schedule, Method: sampling.FlowHeun}
	plan, err := flow.Plan()
	if err != nil {
		log.Fatal(err)
	}
	start := []float32{30, 30, -90, -90} // the states of two chains at sigma 100
	x, err := sampling.Run(context.Background(), mixture, sampling.Request{Plan: plan, Dim: 2, N: 2, Start: start})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("chain 0 ends at (%.1f, %.1f)\n", x[0], x[1])
	fmt.Printf("chain 1 ends at (%.1f, %.1f)\n", x[2], x[3])
	// Output:
	// chain 0 ends at (5.1, 5.1)
	// chain 1 ends at (-5.1, -5.1)
}

// A Block advances chains of different plans together, with one call of the model for all of them. The server's
// scheduler works like this; Run is the loop for a single request.
func ExampleBlock() {
	mixture := sampling.TwoGaussians()
	prior := sampling.Prior{Kind: sampling.PriorUniform, Low: -8, High: 8}
	block := sampling.NewBlock(mixture.Dim(), 2)
	for chain, steps := range []int{3, 5} {
		plan, err := sampling.Langevin{Sigma: 1, Steps: steps, StepSize: 0.05}.Plan()
		if err != nil {
			log.Fatal(err)
		}
		block.Start(sampling.Chain{Plan: plan, Noise: sampling.Noise{Seed: 1, Chain: uint64(chain)}}, prior)
	}
	for tick := 1; block.Len() > 0; tick++ {
		if err := block.Evaluate(context.Background(), mixture); err != nil {
			log.Fatal(err)
		}
		for row := block.Len() - 1; row >= 0; row-- { // backwards, because Remove moves the last row
			if block.Advance(row) == sampling.Done {
				fmt.Printf("tick %d: the chain in row %d is done after %d steps\n", tick, row, block.Step(row))
				block.Remove(row)
			}
		}
	}
	// Output:
	// tick 3: the chain in row 0 is done after 3 steps
	// tick 5: the chain in row 0 is done after 5 steps
}

// The log likelihood of a point under the model, compared with the density of the mixture.
func ExampleFlowLogLikelihood() {
	mixture := sampling.TwoGaussians()
	result, err := sampling.FlowLogLikelihood(context.Background(), mixture, sampling.FlowRequest{
		SigmaMax: 1000, SigmaMin: 0.01, Dim: 2, N: 1, X: []float32{5, 4}, Exact: true,
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%.2f nats, exactly %.2f\n", result.LogP[0], mixture.LogDensity([]float64{5, 4}, 0.01))
	// Output:
	// -2.56 nats, exactly -2.56
}
