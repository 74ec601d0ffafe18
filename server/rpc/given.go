package rpc

import (
	"errors"
	"fmt"
	"strings"

	"github.com/langevin-ml/langevin/models"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/sampling"
)

// maxGiven is the most numbers in all conditions of a request.
const maxGiven = 1 << 24

// givenOf returns the conditions of n chains or rows of a model: one row for all, or one for each. The conditions are
// in the field given of a request. It returns nil for a model without conditions.
func givenOf(list []*langevinv1.Given, m models.Manifest, n int, bad *invalid) []float32 {
	if len(list) == 0 {
		return givenRow(nil, m, "given", bad)
	}
	if len(list) != 1 && len(list) != n {
		bad.add("given", fmt.Sprintf("%d conditions", len(list)), "one for all, or one for each of the %d", n)
		return nil
	}
	if numbers := len(list) * m.Condition.Width(); numbers > maxGiven {
		bad.add("given", fmt.Sprintf("%d numbers in %d conditions", numbers, len(list)), "at most %d in all", maxGiven)
		return nil
	}
	rows := make([]float32, 0, len(list)*m.Condition.Width())
	for i, g := range list {
		before := len(*bad)
		if rows = append(rows, givenRow(g, m, fmt.Sprintf("given[%d]", i), bad)...); len(*bad) > before {
			return nil // the others are probably wrong too
		}
	}
	return rows
}

// givenRow returns one condition of a model as its network takes it. Without a condition it returns the row for none,
// which is empty for a model without conditions. The condition is in the named field.
func givenRow(g *langevinv1.Given, m models.Manifest, field string, bad *invalid) []float32 {
	var row []float32
	var err error
	switch c := g.GetCondition().(type) {
	case *langevinv1.Given_Class:
		row, err = m.Condition.ClassRow(int64(c.Class))
	case *langevinv1.Given_ClassName:
		row, err = m.Condition.NamedRow(c.ClassName)
	case *langevinv1.Given_Vector:
		field += ".vector.values"
		row, err = m.Condition.VectorRow(c.Vector.GetValues())
	default:
		if row, err = m.Condition.NoneRow(); err != nil {
			bad.add(field, "missing", "%s, because %s was not trained without a condition", taken(m.Condition), m.Name)
			return nil
		}
	}
	if wrong := (*sampling.FieldError)(nil); errors.As(err, &wrong) {
		bad.join(field+".", wrong)
	} else if err != nil {
		*bad = append(*bad, &sampling.FieldError{Field: field, Cause: err})
	}
	return row
}

// taken describes what a condition may be: "a class from 0 to 1 (shirt, shoe)".
func taken(c *models.Condition) string {
	const most = 20
	names := ""
	if n := len(c.Names); n > 0 && n <= most {
		names = " (" + strings.Join(c.Names, ", ") + ")"
	}
	if c.Classes > 0 {
		return fmt.Sprintf("a class from 0 to %d%s", c.Classes-1, names)
	}
	return fmt.Sprintf("a vector of %d%s", c.Size, names)
}
