package sample

import (
	"context"
	"path/filepath"
	"slices"
	"strings"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/internal/cli"
)

// checkClassColumn refuses --class-column without classes, and where no CSV is written.
func (o *command) checkClassColumn() error {
	switch {
	case !o.classColumn:
		return nil
	case o.resume == "" && !o.given("class"):
		return cli.Usagef("--class-column needs --class")
	case o.json || o.out != "" && !strings.EqualFold(filepath.Ext(o.out), ".csv"):
		return cli.Usagef("--class-column is for CSV: want an --out that ends in .csv, or none, without --json")
	}
	return nil
}

// addClassColumn puts the index of its class before each sample, if --class-column is given.
func (o *command) addClassColumn(ctx context.Context, c *client.Client, res *client.Result) error {
	if !o.classColumn {
		return nil
	}
	classes, err := classesOf(ctx, c, res)
	if err != nil {
		return err
	}
	b := client.Batch{N: res.N}
	for i := range res.N {
		b.X = append(append(b.X, classes[i%len(classes)]), res.Row(i)...)
	}
	b.Shape = []int{len(b.X) / res.N}
	res.Batch = b
	if res.Table != nil {
		res.Table = append([]client.Column{{Name: "class", Kind: client.ColumnInteger}}, res.Table...)
	}
	return nil
}

// classesOf returns the class of each sample, or one for all. Only names of classes need the model.
func classesOf(ctx context.Context, c *client.Client, res *client.Result) ([]float32, error) {
	each, ok := res.Given.(client.Each)
	if !ok {
		each = client.Each{res.Given}
	}
	var names []string
	classes := make([]float32, len(each))
	for i, g := range each {
		class := -1
		switch g := g.(type) {
		case client.Class:
			class = int(g)
		case client.ClassName:
			if names == nil {
				m, err := c.Model(ctx, res.Model, res.Version)
				if err != nil {
					return nil, err
				}
				if m.Condition != nil {
					names = m.Condition.Names
				}
			}
			class = slices.Index(names, string(g))
		}
		if class < 0 {
			return nil, cli.Usagef("--class-column: sample %d has no class", i)
		}
		classes[i] = float32(class)
	}
	return classes, nil
}
