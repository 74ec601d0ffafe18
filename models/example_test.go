package models_test

import (
	"fmt"
	"log"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/sampling"
)

// The built-in repository has the models that are part of the program. A second argument adds a folder of models.
func ExampleNewRepository() {
	repository, err := models.NewRepository(models.Zoo(), "", models.Rules{})
	if err != nil {
		log.Fatal(err)
	}
	defer repository.Close()

	entries, problems := repository.List()
	for _, e := range entries {
		fmt.Printf("%s, version %d, shape %v\n", e.Name, e.Version, e.Manifest.Shape)
	}
	fmt.Println(len(problems), "problems")
	// Output:
	// 2gauss, version 1, shape [2]
	// fashion, version 1, shape [1 28 28]
	// fashion-class, version 1, shape [1 28 28]
	// fashion-class-consistency, version 1, shape [1 28 28]
	// mnist, version 1, shape [1 28 28]
	// mnist-class, version 1, shape [1 28 28]
	// mnist-class-consistency, version 1, shape [1 28 28]
	// ring, version 1, shape [2]
	// 0 problems
}

// Open returns the bytes of a model file and its manifest. Version 0 is the newest.
func ExampleRepository_Open() {
	repository, err := models.NewRepository(models.Zoo(), "", models.Rules{})
	if err != nil {
		log.Fatal(err)
	}
	defer repository.Close()

	file, err := repository.Open("ring", 0)
	if err != nil {
		log.Fatal(err)
	}
	m := file.Manifest
	fmt.Println(m.Description)
	fmt.Printf("%d levels, sigma from %g to %g\n", len(m.Sigmas), m.Sigmas[0], m.Sigmas[len(m.Sigmas)-1])

	_, err = repository.Open("rings", 0)
	fmt.Println(err)
	// Output:
	// Eight Gaussians of equal weight on a circle of radius 5, std 1
	// 50 levels, sigma from 20 to 0.2
	// model "rings" not found: did you mean "ring"?
}

// A manifest has everything that sampling needs besides the graph. Validate returns all of its mistakes.
func ExampleManifest_Validate() {
	m := models.Manifest{
		Format:           models.Format,
		Name:             "points",
		Shape:            []int{2},
		Parameterization: models.ParameterizationScore,
		Sigmas:           []float64{10, 1, 0.1},
		Range:            models.Range{Low: -5, High: 5},
		Prior:            sampling.Prior{Kind: sampling.PriorUniform, Low: -8, High: 8},
		Sampler:          models.Sampler{Kind: models.SamplerAnnealedLangevin, StepsPerLevel: 100, StepLR: 0.002},
	}
	fmt.Println(m.Validate())

	m.Range.Low = 6
	fmt.Println(m.Validate())
	// Output:
	// <nil>
	// invalid model: manifest of "points": range is 6 to 5: want finite bounds, low below high
}
