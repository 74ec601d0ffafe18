package eval

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/trainrun"
	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/training"
	"github.com/langevin-ml/langevin/training/data"
	"github.com/langevin-ml/langevin/training/eval"
	"github.com/langevin-ml/langevin/training/study"
)

// rowsConfig returns settings for the file of --data, on which m was trained.
func (o *command) rowsConfig(m client.Model, trained string) (training.Config, error) {
	switch {
	case o.dir == "":
		return training.Config{}, cli.Usagef("%s was trained on %s: want --data FILE, the file of these rows", m.Name,
			trained)
	case o.preset != "" || len(o.set) > 0:
		return training.Config{}, cli.Usagef("%s was trained on a file: want no --preset and no --set", m.Name)
	case o.comma && m.Table == nil:
		return training.Config{}, cli.Usagef("--decimal-comma is for models of tables, and %s is none", m.Name)
	case m.Table != nil:
		return training.Config{Data: data.Config{Name: data.Tables, Dir: o.dir, DecimalComma: o.comma}}, nil
	}
	return training.Config{Data: data.Config{Name: data.NPY, Dir: o.dir}}, nil
}

// ofRows reports whether data are the rows of a file, as rowsConfig returns them.
func ofRows(c data.Config) bool { return c.Name == data.Tables || c.Name == data.NPY }

// comparedWith says in words what samples are compared with.
func comparedWith(c data.Config) string {
	if ofRows(c) {
		return "every tenth row of " + filepath.Base(c.Dir)
	}
	return c.String()
}

// rowJudge compares rows with those of a file that the training did not use.
type rowJudge struct {
	columns     models.Columns // of a table, whose numbers are scaled as the file says; nil for others
	test, train eval.Rows
	shape       []int
	options     training.Options
}

func newRowJudge(
	ctx context.Context, p *cli.Program, m client.Model, config data.Config, options training.Options,
) (judge, error) {
	j := &rowJudge{shape: m.Shape, options: options}
	b := p.NewBar(filepath.Base(config.Dir))
	defer b.Close(false, "")
	r := trainrun.Reading(p, b)
	if m.Table == nil {
		return j, j.readArray(ctx, r, m, config)
	}
	columns, err := tableColumns(config, m.Table)
	if err != nil {
		return nil, fmt.Errorf("--data: %w", err)
	}
	config.Columns = columns
	for _, split := range []data.Split{data.Train, data.Test} {
		part, err := r.Table(ctx, config, split, 0)
		if err != nil {
			return nil, fmt.Errorf("--data: %w", err)
		}
		if err := j.add(split, part, m.Table); err != nil {
			return nil, fmt.Errorf("--data %s: %w", config.Dir, err)
		}
	}
	j.shape = []int{j.columns.Width()}
	j.test = j.test.Evenly(min(j.test.Len(), study.MostCompared))
	return j, nil
}

// readArray reads the rows of an array.
func (j *rowJudge) readArray(ctx context.Context, r data.Reader, m client.Model, config data.Config) error {
	for split, rows := range map[data.Split]*eval.Rows{data.Train: &j.train, data.Test: &j.test} {
		source, err := r.Open(ctx, config, split, 0)
		if err != nil {
			return fmt.Errorf("--data: %w", err)
		}
		if !slices.Equal(source.Shape(), m.Shape) {
			return cli.Usagef("--data %s has rows of shape %v: want those of %s, %v", config.Dir, source.Shape(),
				m.Name, m.Shape)
		}
		if *rows, err = study.FirstRows(source); err != nil {
			return err
		}
	}
	return nil
}

// tableColumns returns how the file of a table is read for a model: its columns and their kinds are the model's, and
// the transforms are those that a training would choose.
func tableColumns(config data.Config, table []client.Column) ([]data.Column, error) {
	t, err := data.ReadTable(config.Dir, data.TextForm{DecimalComma: config.DecimalComma})
	if err != nil {
		return nil, err
	}
	var drop []string
	for _, cells := range t.Columns {
		if !slices.ContainsFunc(table, func(c client.Column) bool { return c.Name == cells.Name }) {
			drop = append(drop, cells.Name)
		}
	}
	if len(drop) == len(t.Columns) {
		return nil, fmt.Errorf("%s has none of the columns of the model", config.Dir)
	}
	found, err := t.Describe(drop...)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", config.Dir, err)
	}
	var columns []data.Column
	for _, c := range table {
		column := data.Column{Name: c.Name, Kind: models.ColumnKind(c.Kind), Decimals: c.Decimals}
		at := slices.IndexFunc(found.Columns, func(f data.Column) bool { return f.Name == c.Name })
		if at >= 0 && found.Columns[at].Kind == column.Kind {
			column.Transform = found.Columns[at].Transform
		}
		columns = append(columns, column)
	}
	return columns, nil
}

// add adds a part of a table. The values of its categories become those of the model, which may know more of them.
func (j *rowJudge) add(split data.Split, part data.Tabular, table []client.Column) error {
	columns, rows := slices.Clone(part.Columns()), slices.Clone(part.Rows())
	for k := range columns {
		c := &columns[k]
		if c.Choices() == 0 {
			continue
		}
		values := map[float32]float32{}
		for i := range c.Choices() {
			text, at := wordOf(*c, i)
			v, err := table[k].Parse(text)
			if err != nil {
				return fmt.Errorf("column %q is %w", c.Name, err)
			}
			values[at] = v
		}
		for i := k; i < len(rows); i += len(columns) {
			rows[i] = values[rows[i]]
		}
		c.Words, c.Values = table[k].Words, table[k].Values
	}
	if split == data.Train {
		j.columns, j.train = columns, eval.TableRows(columns, rows)
	} else {
		j.test = eval.TableRows(columns, rows)
	}
	return nil
}

// wordOf returns the text of a choice of a category or a constant, and the number that stands for it in rows.
func wordOf(c models.Column, choice int) (text string, at float32) {
	if len(c.Words) > 0 {
		return c.Words[choice], float32(choice)
	}
	return strconv.FormatFloat(c.Values[choice], 'g', -1, 32), float32(c.Values[choice])
}

func (j *rowJudge) measure(ctx context.Context, samples client.Batch) (quality, error) {
	rows := rowsOf(samples)
	if j.columns != nil {
		rows = eval.TableRows(j.columns, samples.X)
	}
	metrics, err := study.Comparison{
		Columns: j.columns, Shape: j.shape, Test: j.test, Train: j.train,
		Samples: rows.Evenly(min(rows.Len(), study.MostCompared)), Seed: seedJudge,
	}.Measure(ctx, j.options)
	return quality{Metrics: metrics}, err
}

func (*rowJudge) also(context.Context, *client.Client, client.Model, client.Batch, *Report) error {
	return nil
}

func (*rowJudge) shown() []shownMeasure {
	return []shownMeasure{{eval.SlicedWassersteinName, true}, {eval.MMDName, true}}
}

func (*rowJudge) close() error { return nil }
