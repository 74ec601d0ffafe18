package detector

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/datafile"
	"github.com/langevin-ml/langevin/internal/trainrun"
	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/sampling/detect"
	"github.com/langevin-ml/langevin/training"
	"github.com/langevin-ml/langevin/training/data"
)

// heldOut returns the rows to fit to.
func (o *command) heldOut(ctx context.Context, p *cli.Program, m models.Manifest) (models.HeldOut, error) {
	b := p.NewBar("reading")
	rows, err := o.read(ctx, trainrun.Reading(p, b), p.Stderr, m)
	b.Close(false, "")
	if err != nil {
		return models.HeldOut{}, err
	}
	rows, given, err := o.some(p, m, rows)
	return models.HeldOut{Rows: rows, Given: slices.Concat(given...)}, err
}

// some returns as many of the rows as a detector is fitted to, with their conditions.
func (o *command) some(p *cli.Program, m models.Manifest, rows []float32) ([]float32, [][]float32, error) {
	given, err := o.conditions(m, len(rows)/m.RowDim(), p.Stderr)
	if err != nil {
		return nil, nil, err
	}
	rows, given = trainrun.Some(rows, m.RowDim(), given, o.rows.N)
	return rows, given, detect.CheckRows(len(rows) / m.RowDim())
}

// conditions returns the condition of each of n rows, as the network takes it; nil for none.
func (o *command) conditions(m models.Manifest, n int, warn io.Writer) ([][]float32, error) {
	if o.given == "" {
		if _, err := m.Condition.NoneRow(); err != nil {
			return nil, cli.Usagef("%s was not trained without a condition: want --given, with that of each row",
				m.Name)
		}
		return nil, nil
	}
	if m.Condition == nil {
		return nil, cli.Usagef("--given is %s: %s takes no condition", o.given, m.Name)
	}
	rows, err := datafile.ReadGiven(o.given, n, warn)
	if err != nil {
		return nil, err
	}
	for i, row := range rows {
		if m.Condition.Classes > 0 && len(row) == 1 {
			rows[i], err = m.Condition.ClassRow(int64(row[0]))
		} else {
			rows[i], err = m.Condition.VectorRow(row)
		}
		if err != nil {
			return nil, fmt.Errorf("--given %s: row %d: %w", o.given, i, err)
		}
	}
	return rows, nil
}

// read returns the rows of --data, as users see them.
func (o *command) read(ctx context.Context, r data.Reader, warn io.Writer, m models.Manifest) ([]float32, error) {
	if o.data == "" {
		return o.testPart(ctx, r, m)
	}
	what := "--data " + o.data
	if info, err := os.Stat(o.data); err == nil && info.IsDir() {
		return o.pictures(ctx, r, m)
	}
	if m.Columns != nil {
		columns := columnsOf(m.Columns)
		rows, err := datafile.ReadTable(what, o.data, o.decimalComma, columns, warn)
		if err == nil {
			err = rows.Whole(what, columns)
		}
		return rows.X, err
	}
	a, err := datafile.ReadArray(o.data, warn)
	if err != nil {
		return nil, err
	}
	if len(a.Shape) < 2 || datafile.Elements(a.Shape[1:]) != m.RowDim() {
		return nil, fmt.Errorf("%s has shape %v: want rows of shape %v, as samples of %s have", what, a.Shape,
			m.RowShape(), m.Name)
	}
	if a.Bytes() {
		for i, v := range a.Values {
			a.Values[i] = float32(m.Range.Low) + float32(m.Range.High-m.Range.Low)*v/255
		}
	}
	return a.Values, nil
}

// pictures reads all pictures of a folder.
func (o *command) pictures(ctx context.Context, r data.Reader, m models.Manifest) ([]float32, error) {
	if len(m.Shape) != 3 || m.Columns != nil || m.Shape[1] != m.Shape[2] {
		return nil, fmt.Errorf("--data %s is a folder: want a file of rows of shape %v, as samples of %s have", o.data,
			m.RowShape(), m.Name)
	}
	c := data.Config{Name: data.Pictures, Dir: o.data, ImageSize: m.Shape[1], Grey: m.Shape[0] == 1,
		SkipBroken: true} // the reader names them
	if m.Training != nil {
		c.Background = data.Described(m.Training.Data).Background
	}
	var rows []float32
	for _, split := range []data.Split{data.Train, data.Test} {
		images, err := r.Images(ctx, c, split)
		if err != nil {
			return nil, fmt.Errorf("--data: %w", err)
		}
		rows = append(rows, trainrun.Levels(images, float32(m.Range.Low), float32(m.Range.High))...)
	}
	return rows, nil
}

// testPart returns the rows that the training of a preset did not use.
func (o *command) testPart(ctx context.Context, r data.Reader, m models.Manifest) ([]float32, error) {
	if m.Training == nil || !slices.Contains(training.Presets(), m.Training.Preset) {
		return nil, cli.Usagef("%s was not trained with a preset: want --data, with rows like those of its training",
			m.Name)
	}
	c, err := training.Preset(m.Training.Preset)
	if err != nil {
		return nil, err
	}
	rows, err := trainrun.HeldOut(ctx, r, c.Data, c.Seed)
	if err == nil && rows == nil {
		err = cli.Usagef("the preset %s has no test data: want --data, with rows like those of the training",
			m.Training.Preset)
	}
	return rows, err
}

// columnsOf returns the columns of a model as clients see them.
func columnsOf(columns models.Columns) []client.Column {
	var all []client.Column
	for _, c := range columns {
		all = append(all, client.Column{
			Name: c.Name, Kind: client.ColumnKind(c.Kind), Unit: c.Unit, Decimals: c.Decimals, Words: c.Words,
			Values: c.Values, Low: c.Low, High: c.High,
		})
	}
	return all
}
