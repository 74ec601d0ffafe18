package training_test

import (
	"fmt"
	"log"

	"github.com/langevin-ml/langevin/training"
)

// A preset is a complete configuration. Settings are changed by their keys in the YAML, as on the command line.
func ExamplePreset() {
	c, err := training.Preset("toy-ring")
	if err != nil {
		log.Fatal(err)
	}
	for _, assignment := range []string{"data.modes=5", "noise.first=15", "training.iterations=2000"} {
		if err := c.Set(assignment); err != nil {
			log.Fatal(err)
		}
	}
	if err := c.Validate(); err != nil {
		log.Fatal(err)
	}
	fmt.Println(c.Data)
	fmt.Printf("%d levels, sigma from %g to %g\n", c.Noise.Levels, c.Noise.First, c.Noise.Last)
	fmt.Printf("%d iterations of %d rows\n", c.Training.Iterations, c.Training.BatchSize)
	// Output:
	// ring, 5 modes, radius 5, std 1
	// 50 levels, sigma from 15 to 0.2
	// 2000 iterations of 500 rows
}

// With changes several settings and validates the result. A key that the dataset does not have is a mistake.
func ExampleConfig_With() {
	c, err := training.Preset("toy-2gauss")
	if err != nil {
		log.Fatal(err)
	}
	c, err = c.With("name=narrow", "data.std=0.5", "data.weights=[3, 1]", "optimizer.name=amsgrad")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(c.Name, "-", c.Data)

	_, err = c.With("data.radius=3")
	fmt.Println(err)
	// Output:
	// narrow - 2gauss, std 0.5, weights [3 1]
	// data.radius: 2gauss has no such key
}

// Validate returns all mistakes at once, one per line.
func ExampleConfig_Validate() {
	c, err := training.Preset("toy-ring")
	if err != nil {
		log.Fatal(err)
	}
	c.Noise.Levels = 0
	c.Training.BatchSize = 0
	c.Sampler.StepLR = -1
	fmt.Println(c.Validate())
	// Output:
	// noise.levels is 0: want 1 to 65536
	// training.batch_size is 0: want 1 to 1048576
	// sampler.step_lr is -1: want a finite number above 0
}
