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
	case m.Table != nil:
		return training.Config{Data: data.Config{Name: data.Tables, Dir: o.dir, DecimalComma: o.comma}}, nil
	}
	return training.Config{Data: data.Config{Name: data.NPY, Dir: o.dir}}, nil
}

// ofRows reports whether data are the rows of a file.
func ofRows(c data.Config) bool {
	return c.Name == data.Tables || c.Name == data.NPY || c.Name == data.CSV
}

// comparedWith says in words what samples are compared with.
func comparedWith(c training.Config) string {
	switch {
	case ofRows(c.Data):
		return "every tenth row of " + filepath.Base(c.Data.Dir)
	case c.Preset == "":
		return "the test part of " + filepath.Base(c.Data.Dir)
	}
	return c.Data.String()
}

// rowJudge compares rows, or pictures without a classifier, with those of files that the training did not use.
type rowJudge struct {
	columns     models.Columns // of a table, whose numbers are scaled as the file says; nil for others
	test, train eval.Rows
	asked       asked
	parts       map[int]classParts // of each class that is asked for
	shape       []int
	scale       models.Range // of the model's data
	options     training.Options
	neighbours  string // of pictures; see imageJudge
}

// classParts are the rows of a class.
type classParts struct{ test, train eval.Rows }

func newRowJudge(
	ctx context.Context, p *cli.Program, o *command, m client.Model, config data.Config, a asked,
	options training.Options,
) (judge, error) {
	j := &rowJudge{asked: a, shape: m.Shape, scale: rangeOf(m), options: options, neighbours: o.neighbours}
	b := p.NewBar(filepath.Base(config.Dir))
	defer b.Close(false, "")
	read := j.read
	if m.Table != nil {
		read = j.readTable
	}
	if err := read(ctx, trainrun.Reading(p, b), m, config); err != nil {
		return nil, err
	}
	return j, nil
}

// readTable reads the rows of a table.
func (j *rowJudge) readTable(ctx context.Context, r data.Reader, m client.Model, config data.Config) error {
	columns, err := tableColumns(config, m.Table)
	if err != nil {
		return fmt.Errorf("--data: %w", err)
	}
	config.Columns = columns
	for _, split := range []data.Split{data.Train, data.Test} {
		part, err := r.Table(ctx, config, split, 0)
		if err != nil {
			return fmt.Errorf("--data: %w", data.WithoutKey(err))
		}
		if err := j.add(split, part, m.Table); err != nil {
			return fmt.Errorf("--data %s: %w", config.Dir, err)
		}
	}
	j.shape = []int{j.columns.Width()}
	return nil
}

// read reads the rows of an array, or pictures.
func (j *rowJudge) read(ctx context.Context, r data.Reader, m client.Model, config data.Config) error {
	train, test, err := r.Parts(ctx, config, 0)
	if err != nil {
		return fmt.Errorf("--data: %w", data.WithoutKey(err))
	}
	if !slices.Equal(test.Shape(), m.Shape) {
		return cli.Usagef("--data %s has rows of shape %v: want those of %s, %v", config.Dir, test.Shape(), m.Name,
			m.Shape)
	}
	var ofTrain, ofTest []int
	if j.train, ofTrain, err = study.PartRows(train, j.scale); err != nil {
		return err
	}
	if j.test, ofTest, err = study.PartRows(test, j.scale); err != nil || len(j.asked.list) == 0 {
		return err
	}
	return j.restrict(ofTest, ofTrain, data.ConditionOf(train).Classes, config)
}

// restrict chooses the pictures of the classes that are asked for, of the known ones. ofTest and ofTrain have the class
// of each picture.
func (j *rowJudge) restrict(ofTest, ofTrain []int, known int, config data.Config) (err error) {
	if err := j.asked.check(known, config.String()); err != nil {
		return err
	}
	of := func(proportions []int) (c classParts, err error) {
		inTest, err := eval.InProportion(ofTest, proportions)
		if err != nil {
			return c, fmt.Errorf("the test part of --data %s: %w", config.Dir, err)
		}
		inTrain, err := eval.InProportion(ofTrain, proportions)
		return classParts{j.test.Pick(inTest), j.train.Pick(inTrain)}, err
	}
	j.parts = map[int]classParts{}
	for _, k := range j.asked.classes() {
		if j.parts[k], err = of(only(k, known)); err != nil {
			return err
		}
	}
	all, err := of(j.asked.proportions())
	j.test, j.train = all.test, all.train
	return err
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
	rows := study.Shown(rowsOf(samples), samples.Shape, j.scale)
	if j.columns != nil {
		rows = eval.TableRows(j.columns, samples.X)
	}
	rows, classes := j.asked.order(rows)
	metrics, err := j.compare(ctx, classParts{j.test, j.train}, rows)
	q := quality{Metrics: metrics}
	if classes == nil || err != nil {
		return q, err
	}
	q.ByClass, err = j.asked.byClass(rows, classes, func(class int, x eval.Rows, _ []int) ([]eval.Metric, error) {
		return j.compare(ctx, j.parts[class], x)
	})
	return q, err
}

func (j *rowJudge) compare(ctx context.Context, with classParts, samples eval.Rows) ([]eval.Metric, error) {
	return study.Comparison{
		Columns: j.columns, Shape: j.shape, Train: with.train,
		Test:    with.test.Evenly(min(with.test.Len(), study.MostCompared)),
		Samples: samples.Evenly(min(samples.Len(), study.MostCompared)), Seed: seedJudge,
	}.Measure(ctx, j.options)
}

// also draws the training pictures nearest to samples, if it is asked to.
func (j *rowJudge) also(
	_ context.Context, _ *client.Client, _ client.Model, samples client.Batch, e *Report,
) error {
	e.unwritten = writeNeighbours(j.neighbours, j.shape, study.Shown(rowsOf(samples), j.shape, j.scale), j.train)
	return nil
}

func (*rowJudge) shown() []shownMeasure {
	return []shownMeasure{{eval.SlicedWassersteinName, true}, {eval.MMDName, true}}
}

func (*rowJudge) close() error { return nil }
