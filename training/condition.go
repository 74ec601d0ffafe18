package training

import (
	"fmt"
	"math"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/training/data"
	"github.com/langevin-ml/langevin/training/eval"
	"github.com/langevin-ml/langevin/training/nn"
	"github.com/langevin-ml/langevin/training/settings"
)

// ConditionKind says what the samples of a training are given.
type ConditionKind string

const (
	ConditionClass  ConditionKind = "class"  // the label of a picture, or the component of a mixture
	ConditionVector ConditionKind = "vector" // the columns that data.condition_columns names
)

// Condition says what each sample of a training is given. The model then has the input c.
type Condition struct {
	Kind ConditionKind `yaml:"kind"`

	// Dropped is the part of the rows that are given nothing. If it is above 0, the model also works without a
	// condition, as classifier-free guidance needs it (Ho & Salimans 2022).
	Dropped float64 `yaml:"dropped,omitempty"`

	Names []string `yaml:"names,omitempty"` // of the classes, or of the numbers of the vector; absent: none
}

// validateCondition returns all mistakes in the condition of c, one per line.
func (c Config) validateCondition() error {
	var bad settings.Mistakes
	kind := ConditionKind("")
	if c.Condition != nil {
		kind = c.Condition.Kind
		bad.Require(kind == ConditionClass || kind == ConditionVector, "condition.kind is %q: want %s or %s", kind,
			ConditionClass, ConditionVector)
		bad.Require(c.Condition.Dropped >= 0 && c.Condition.Dropped < 1,
			"condition.dropped is %g: want at least 0 and below 1", c.Condition.Dropped)
		bad.Join(c.Network.CheckGiven())
		bad.Join(c.checkNames())
	}
	columns := c.Data.ConditionColumns
	bad.Require(kind != ConditionVector || columns > 0,
		"condition.kind is %s: want data.condition_columns with it, of a file of rows", ConditionVector)
	bad.Require(kind == ConditionVector || columns == 0,
		"data.condition_columns is %d: want condition.kind %s with it", columns, ConditionVector)
	return bad.Err()
}

// checkNames checks the names of the classes or numbers, as far as the settings tell how many there are.
func (c Config) checkNames() error {
	named := models.Condition{Names: c.Condition.Names}
	switch mixture, err := c.Data.Mixture(); {
	case len(named.Names) == 0:
		return nil
	case c.Condition.Kind == ConditionVector:
		named.Size = c.Data.ConditionColumns
	case err == nil:
		named.Classes = len(mixture.Means)
	default:
		named.Classes = len(named.Names) // the labels of pictures are known when they have been read
	}
	if named.Classes+named.Size < 1 {
		return nil // another mistake
	}
	return named.Validate()
}

// given returns the condition of the network for the two parts of the data.
func (c Config) given(train, test data.Source) (nn.Condition, error) {
	if c.Condition == nil {
		return nn.Condition{}, nil
	}
	known, tested := data.ConditionOf(train), data.ConditionOf(test)
	given := nn.Condition{Classes: known.Classes, Size: known.Size, Dropped: c.Condition.Dropped > 0}
	switch {
	case c.Condition.Kind == ConditionClass && (known.Classes == 0 || tested.Classes == 0):
		return given, fmt.Errorf("condition.kind is %s: the data, %s, have no classes", ConditionClass, train.Name())
	case tested.Classes > known.Classes:
		return given, fmt.Errorf("condition.kind is %s: the test part of the data has class %d, "+
			"and the part for training only classes below %d", ConditionClass, tested.Classes-1, known.Classes)
	}
	if err := conditionOf(c.Condition, given).Validate(); err != nil {
		return given, err
	}
	if given.Size > 0 {
		return standardize(given, train.(data.Conditional))
	}
	return given, nil
}

// standardize adds the mean and the standard deviation of each number of the vectors of a source. A number that is
// always the same, as far as float32 can tell, gets the standard deviation 1.
func standardize(given nn.Condition, source data.Conditional) (nn.Condition, error) {
	const rows = 10_000
	n := given.Size
	vectors := make([]float32, rows*n)
	if err := source.ReadCondition(vectors, 0); err != nil {
		return given, fmt.Errorf("read the conditions of %s: %w", source.Name(), err)
	}
	s := newStandard(eval.Rows{X: vectors, Dim: n})
	for i, mean := range s.mean {
		const least, resolution = 1e-30, 1e-6
		if s.std[i] < max(least, resolution*math.Abs(mean)) {
			s.std[i] = 1
		}
	}
	given.Mean, given.Std = s.mean, s.std
	return given, nil
}

// dropped returns the part of the rows that are given nothing; 0 without conditions.
func (c Config) dropped() float64 {
	if c.Condition == nil {
		return 0
	}
	return c.Condition.Dropped
}

// conditionOf returns the condition as a model file has it; nil if there is none.
func conditionOf(c *Condition, given nn.Condition) *models.Condition {
	if c == nil {
		return nil
	}
	return &models.Condition{Classes: given.Classes, Size: given.Size, Names: c.Names, Dropped: given.Dropped}
}

// drop replaces the conditions of the rows for which u, uniform on [0, 1), is below dropped by none. raw has the
// conditions of the data, and c gets rows for the network.
func drop(c, raw, u []float32, given nn.Condition, dropped float64) {
	width := given.Width()
	for i := range u {
		row, none := c[i*width:(i+1)*width], float64(u[i]) < dropped
		switch {
		case given.Classes > 0 && none:
			row[0] = float32(given.Classes)
		case given.Classes > 0:
			row[0] = raw[i]
		case none:
			clear(row)
		default:
			if copy(row, raw[i*given.Size:(i+1)*given.Size]); given.Dropped {
				row[given.Size] = 1
			}
		}
	}
}

// vectorsOfData returns vectors of conditions of the data, for figures; none without such a condition.
func (d batcher) vectorsOfData() ([]float32, error) {
	const rows = 64
	if d.given.Size == 0 {
		return nil, nil
	}
	vectors := make([]float32, rows*d.given.Size)
	return vectors, d.source.(data.Conditional).ReadCondition(vectors, 0)
}

// Mixture returns the exact distribution of the model's samples without a condition. It returns an error that wraps
// data.ErrNoMixture if the data are not a mixture of Gaussians, or if the model always has a condition.
func (c Config) Mixture() (sampling.Mixture, error) {
	if c.Condition != nil && c.Condition.Dropped == 0 {
		return sampling.Mixture{}, fmt.Errorf("condition.dropped is 0, so the model always has a condition: %w",
			data.ErrNoMixture)
	}
	return c.Data.Mixture()
}
