package training

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/training/nn"
	"github.com/langevin-ml/langevin/training/settings"
)

// startParams returns the network's parameters before the first update: those of the model that Training.Start names,
// or new ones.
func (c Config) startParams(network *nn.Graph) ([]float32, error) {
	if c.Training.Start == "" {
		return network.NewParams(c.Seed), nil
	}
	params, err := c.Training.startFrom(network)
	if err != nil {
		return nil, fmt.Errorf("training.start is %q: %w", c.Training.Start, err)
	}
	return params, nil
}

func (t Training) startFrom(network *nn.Graph) ([]float32, error) {
	file, err := t.startFile()
	if err != nil {
		return nil, err
	}
	model, err := models.Parse(file)
	if err != nil {
		return nil, err
	}
	models.WidenStored(model)
	return network.ReadONNX(model)
}

// startFile reads the model file that a training starts from. A name without a suffix is a built-in model's.
func (t Training) startFile() ([]byte, error) {
	if isModelPath(t.Start) {
		return models.Rules{}.ReadFile(t.Start)
	}
	builtIn, err := models.NewRepository(models.Zoo(), "", models.Rules{})
	if err != nil {
		return nil, err
	}
	file, err := builtIn.Open(t.Start, 0)
	return file.Graph, err
}

func isModelPath(start string) bool {
	return strings.EqualFold(filepath.Ext(start), filepath.Ext(models.FileName))
}

// checkStart adds a mistake if a training cannot start from what start names, whatever is in the file.
func checkStart(start string, bad *settings.Mistakes) {
	bad.Require(start == "" || isModelPath(start) || models.ValidName(start),
		"training.start is %q: want the name of a built-in model, or the path of a model file that ends in %s", start,
		filepath.Ext(models.FileName))
}
