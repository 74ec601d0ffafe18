package sampling

import "context"

// Modes is the [Conditional] model of a mixture whose classes are its components: the score given class k is the exact
// score of component k, and the score without a class is that of the mixture. Its condition has one element, the class
// from 0 to the number of components less one, or that number for none.
type Modes struct {
	mixture    Mixture
	components []Mixture
}

// Modes returns the model of m's components.
func (m Mixture) Modes() *Modes {
	c := &Modes{mixture: m}
	for _, mean := range m.Means {
		c.components = append(c.components, Mixture{Weights: []float64{1}, Means: [][]float64{mean}, Std: m.Std})
	}
	return c
}

// Width returns 1.
func (*Modes) Width() int { return 1 }

// Score implements [Model]: it is the score of the mixture.
func (c *Modes) Score(ctx context.Context, dst, x, sigma []float32) error {
	return c.mixture.Score(ctx, dst, x, sigma)
}

// ScoreGiven implements [Conditional].
func (c *Modes) ScoreGiven(ctx context.Context, dst, x, sigma, classes []float32) error {
	d := c.mixture.Dim()
	if err := CheckRows(d, dst, x, sigma); err != nil {
		return err
	}
	for i, k := range classes {
		m := c.mixture
		if int(k) < len(c.components) {
			m = c.components[int(k)]
		}
		if err := m.Score(ctx, dst[i*d:(i+1)*d], x[i*d:(i+1)*d], sigma[i:i+1]); err != nil {
			return err
		}
	}
	return ctx.Err()
}
