package proposal

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"slices"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/training"
	"github.com/langevin-ml/langevin/training/data"
	"github.com/langevin-ml/langevin/training/loss"
	"github.com/langevin-ml/langevin/training/nn"
)

// table proposes a training on a table.
func (r Request) table(ctx context.Context) (Proposal, error) {
	t, err := data.ReadTable(r.Path, data.TextForm{DecimalComma: r.DecimalComma})
	if err != nil {
		return Proposal{}, err
	}
	if err := r.check(tableKind(t)); err != nil {
		return Proposal{}, err
	}
	description, err := t.Describe(r.Drop...)
	if err != nil {
		return Proposal{}, fmt.Errorf("read %s: %w", r.Path, err)
	}
	c := training.Config{Name: r.Name, Seed: seed, Data: data.Config{
		Name: data.Tables, Dir: r.Path, Columns: description.Columns, DecimalComma: r.DecimalComma,
	}}
	c.Description = fmt.Sprintf("Trained on %s", filepath.Base(r.Path))
	source, err := r.Reader.Table(ctx, c.Data, data.Train, seed)
	if err != nil {
		return Proposal{}, err
	}
	rows := len(source.Rows()) / len(source.Columns())
	p := Proposal{Config: c}
	p.Found = append([]string{fmt.Sprintf("%s: %d rows, %s", r.Path, t.Rows, kinds(source.Columns()))},
		description.Notes...) // the reader has told the notes of the table
	x, err := encoded(source, rows, 10000)
	if err != nil {
		return Proposal{}, err
	}
	return p, p.settings(x, source, rows)
}

// kinds counts the columns of each kind: "4 columns: 3 numbers, 1 category".
func kinds(columns models.Columns) string {
	counts := map[models.ColumnKind]int{}
	quantile := 0
	for _, c := range columns {
		counts[c.Kind]++
		if c.Knots != nil {
			quantile++
		}
	}
	text := fmt.Sprintf("%d columns", len(columns))
	if len(columns) == 1 {
		text = "1 column"
	}
	separator := ": "
	for _, kind := range []models.ColumnKind{
		models.ColumnNumber, models.ColumnInteger, models.ColumnCategory, models.ColumnConstant,
	} {
		if n := counts[kind]; n > 0 {
			text += fmt.Sprintf("%s%d %s", separator, n, kind)
			separator = ", "
		}
	}
	if quantile > 0 {
		text += fmt.Sprintf(" (%d by quantiles)", quantile)
	}
	return text
}

// fewRows is the number of rows below which the smaller network was better: a larger one remembers the rows.
const fewRows = 2000

// settings chooses everything but the data.
func (p *Proposal) settings(x []float32, source data.Tabular, rows int) error {
	c := &p.Config
	dim := source.Columns().Width()
	const last, steps = 0.02, 20
	var stepLR float64
	var err error
	if c.Noise, stepLR, err = noise(x, dim, last, steps); err != nil {
		return fmt.Errorf("read %s: %w", c.Data.Dir, err)
	}
	std := spread(x)
	c.Network = nn.Config{Name: nn.NameResidual, Hidden: 256, Blocks: 3, Std: std}
	if rows < fewRows {
		c.Network.Hidden, c.Network.Blocks = 128, 2
	}
	c.Network.Softmax = slices.ContainsFunc(source.Columns(), func(c models.Column) bool {
		return c.Kind == models.ColumnCategory
	})
	c.Loss = loss.Config{Name: loss.EDM, DataStd: std, LogMean: -1, LogStd: 1.5}
	c.Training = training.Training{
		Iterations: iterations(rows), BatchSize: 256, LogEvery: 100, EvalRows: 100 * c.Noise.Levels,
	}
	if rows < fewRows {
		c.Training.TestEvery, c.Training.KeepBest = c.Training.LogEvery, true
	}
	c.Optimizer = adam(0.001, c.Training.Iterations)
	c.Sampler = training.Sampler{StepsPerLevel: steps, StepLR: stepLR, Denoise: true,
		ReverseSDE: &models.ReverseSDE{Steps: 50, Eta: 1}}
	c.Prior = sampling.Prior{Kind: sampling.PriorNormal, Std: c.Noise.First}
	c.Range.Low, c.Range.High = bounds(source)
	p.each, p.units = "rows", " standard deviations"
	return c.Validate()
}

// iterations returns how long to train on a number of rows: 6,000 iterations for few rows, and more for larger tables.
// Samples lie outside of the data if a network has not learned enough. With few rows keep_best ends what is too long.
func iterations(rows int) int {
	const least, most = 6000, 15000
	n := least * math.Cbrt(max(1, float64(rows)/1000))
	return min(most, int(math.Round(n/100))*100)
}

// spread returns the standard deviation of all numbers about 0.
func spread(x []float32) float64 {
	sum := 0.0
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	return short(math.Sqrt(sum / float64(len(x))))
}

// bounds returns the range of the numbers in the columns, as users see them, a little wider.
func bounds(source data.Tabular) (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	columns := source.Columns()
	for i, v := range source.Rows() {
		if kind := columns[i%len(columns)].Kind; kind == models.ColumnNumber || kind == models.ColumnInteger {
			low, high = min(low, float64(v)), max(high, float64(v))
		}
	}
	if !(low < high) {
		return 0, 1
	}
	margin := 0.1 * (high - low)
	return short(low - margin), short(high + margin)
}
