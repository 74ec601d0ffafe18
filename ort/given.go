package ort

import (
	"context"
	"fmt"

	onnxruntime "github.com/yalue/onnxruntime_go"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/sampling"
)

// Model returns the session as a model: a [sampling.Conditional] if its manifest has a condition, and otherwise the
// session itself. All calls return equal models.
func (s *Session) Model() sampling.Model {
	if s.manifest.Condition == nil {
		return s
	}
	return conditional{s}
}

// conditional is a session of a model with a condition.
type conditional struct{ *Session }

var _ sampling.Conditional = conditional{}

// Width implements [sampling.Conditional].
func (c conditional) Width() int { return c.manifest.Condition.Width() }

// ScoreGiven implements [sampling.Conditional], as [Session.Score] implements [sampling.Model]. The error names the
// first row whose condition the model does not take.
func (c conditional) ScoreGiven(ctx context.Context, dst, x, sigma, given []float32) error {
	condition, width := c.manifest.Condition, c.Width()
	if len(given) != len(sigma)*width {
		return fmt.Errorf("score of %q: %d rows with %d elements of conditions: want %d", c.manifest.Name, len(sigma),
			len(given), len(sigma)*width)
	}
	for i := range sigma {
		if err := condition.CheckRow(given[i*width : (i+1)*width]); err != nil {
			return fmt.Errorf("score of %q: condition of row %d: %w", c.manifest.Name, i, err)
		}
	}
	return c.scoreGiven(ctx, dst, x, sigma, given)
}

// given is the input c of a lane, with a row for each row of an evaluation. It has no rows for a graph without
// conditions.
type given struct {
	width   int
	classes buffer[int64]   // of a model of classes
	numbers buffer[float32] // of a model with vectors
}

func newGiven(c *models.Condition, rows int) given {
	g := given{width: c.Width()}
	switch {
	case c == nil:
	case c.Classes > 0:
		g.classes = newBuffer[int64](rows)
	default:
		g.numbers = newBuffer[float32](rows * g.width)
	}
	return g
}

// tensor describes the first rows to ONNX Runtime; nil for a graph without conditions.
func (g given) tensor(rows int) (onnxruntime.Value, error) {
	switch {
	case g.classes != nil:
		return onnxruntime.NewTensor(onnxruntime.NewShape(int64(rows)), []int64(g.classes))
	case g.numbers != nil:
		return onnxruntime.NewTensor(onnxruntime.NewShape(int64(rows), int64(g.width)), []float32(g.numbers))
	}
	return nil, nil
}

// set writes a row of conditions.
func (g given) set(row int, c []float32) {
	if g.classes != nil {
		g.classes[row] = int64(c[0])
		return
	}
	copy(g.numbers[row*g.width:(row+1)*g.width], c)
}

// fill writes the first rows from the rows of c, which has one for all of them or one for each.
func (g given) fill(rows int, c []float32) {
	for i := 0; i < rows && g.width > 0; i++ {
		g.set(i, c[i*g.width%len(c):][:g.width])
	}
}

// copyRow copies one row to another.
func (g given) copyRow(to, from int) {
	if g.classes != nil {
		g.classes[to] = g.classes[from]
		return
	}
	copy(g.numbers[to*g.width:(to+1)*g.width], g.numbers[from*g.width:(from+1)*g.width])
}

func (g *given) free() {
	if g.classes != nil {
		g.classes.free()
	}
	if g.numbers != nil {
		g.numbers.free()
	}
}

// spreadClass returns the i-th of n classes that are spread over all kinds, from the first to the last. If there are
// fewer kinds than n, it repeats them, each time from another one on, so that rows in equal distances differ.
func spreadClass(i, n, kinds int) float32 {
	if kinds <= n {
		return float32((i + i/kinds) % kinds)
	}
	return float32(i * (kinds - 1) / max(n-1, 1))
}

// anyGiven returns conditions for a number of rows: all classes, or as many as there are rows, and none; or vectors
// with a fixed sequence of numbers, and none in every fourth row.
func anyGiven(rows int, c *models.Condition) []float32 {
	given, next := make([]float32, rows*c.Width()), uniforms()
	for i := range rows {
		row := given[i*c.Width() : (i+1)*c.Width()]
		switch kinds := c.Kinds(); {
		case kinds > 0:
			row[0] = spreadClass(i, rows, kinds)
		case c != nil && c.Dropped && i%4 == 3:
		case c != nil:
			for j := range c.Size {
				row[j] = float32(2 * next())
			}
			flag(row, c)
		}
	}
	return given
}

// flag says in a row for a vector that there is one.
func flag(row []float32, c *models.Condition) {
	if c.Dropped {
		row[c.Size] = 1
	}
}

// filledGiven returns a row of conditions: the last class, or a vector whose elements are all v.
func filledGiven(v float32, c *models.Condition) []float32 {
	row := make([]float32, c.Width())
	switch kinds := c.Kinds(); {
	case kinds > 0:
		row[0] = float32(kinds - 1)
	case c != nil:
		fillWith(row, v)
		flag(row, c)
	}
	return row
}

// scoreOf evaluates a model of m. If it has conditions, the rows have different ones.
func scoreOf(ctx context.Context, model sampling.Model, m models.Manifest, dst, x, sigma []float32) error {
	if c, ok := model.(sampling.Conditional); ok {
		return c.ScoreGiven(ctx, dst, x, sigma, anyGiven(len(sigma), m.Condition))
	}
	return model.Score(ctx, dst, x, sigma)
}
