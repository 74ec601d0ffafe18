package eval

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/drawing"
	"github.com/langevin-ml/langevin/internal/phrase"
	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/training/eval"
)

// asked is the classes that samples are asked to have: a list that is repeated over the samples. Without a list nothing
// is asked for.
type asked struct {
	list      []int
	condition *models.Condition // of the model
}

// asked returns the classes that the command line asks for. The error says which classes m has.
func (o *command) asked(m client.Model) (asked, error) {
	list, err := o.Classes()
	if list == nil || err != nil {
		return asked{}, err
	}
	a := asked{}
	if c := m.Condition; c != nil {
		a.condition = &models.Condition{Classes: c.Classes, Size: c.Size, Names: c.Names, Dropped: c.Dropped}
	}
	for _, g := range list {
		var row []float32
		switch g := g.(type) {
		case client.Class:
			row, err = a.condition.ClassRow(int64(g))
		case client.ClassName:
			row, err = a.condition.NamedRow(string(g))
		}
		if err != nil {
			return asked{}, cli.Usagef("--class of %s: %v", m.Name, err)
		}
		a.list = append(a.list, int(row[0]))
	}
	return a, nil
}

// given returns the condition of each of n chains; nil if nothing is asked for.
func (a asked) given(n int) client.Given {
	if len(a.list) == 0 {
		return nil
	}
	return drawing.Repeated(a.each(), 0, n)
}

func (a asked) each() client.Each {
	var each client.Each
	for _, k := range a.list {
		each = append(each, client.Class(k))
	}
	return each
}

// followed returns what a report says of the classes and of the scale.
func (a asked) followed(scale *float64, approximate bool) drawing.FollowedReport {
	var given client.Given
	if len(a.list) > 0 {
		given = a.each()
	}
	return drawing.NewFollowedReport(given, scale, nil, approximate)
}

// classes returns the different classes that are asked for.
func (a asked) classes() []int { return slices.Compact(slices.Sorted(slices.Values(a.list))) }

// proportions returns how often each class of the model is in the list.
func (a asked) proportions() []int {
	counts := make([]int, a.condition.Classes)
	for _, k := range a.list {
		counts[k]++
	}
	return counts
}

// leastOfClass is the least number of samples of a class that eval measures.
const leastOfClass = 20

// checkNumber refuses fewer samples than the measures of each class need. what says where they are from.
func (a asked) checkNumber(what string, n int) error {
	if least := leastOfClass * len(a.list); n < least {
		return cli.Usagef("%s: want at least %d, %d for each class in the list of --class", what, least, leastOfClass)
	}
	return nil
}

// check refuses data that have another number of classes than the model.
func (a asked) check(known int, data string) error {
	if len(a.list) > 0 && known != a.condition.Classes {
		return cli.Usagef("--class: the model has %s, and the data, %s, have %d", a.condition, data, known)
	}
	return nil
}

// only returns the proportions of one class alone.
func only(class, known int) []int {
	one := make([]int, known)
	one[class] = 1
	return one
}

// order returns samples and the class that each was asked to have; nil for none. It mixes samples of several classes,
// because some measures take every second sample, or samples in blocks.
func (a asked) order(x eval.Rows) (eval.Rows, []int) {
	if len(a.list) == 0 {
		return x, nil
	}
	x, order := x.Shuffled()
	for i, k := range order {
		order[i] = a.list[k%len(a.list)]
	}
	return x, order
}

// classQuality is what a judge measures of the samples that were asked to have one class, by the data of this class.
type classQuality struct {
	Class   int           `json:"class"`
	Name    string        `json:"class_name,omitempty"`
	N       int           `json:"n"`
	Metrics []eval.Metric `json:"metrics"`
}

// byClass measures the samples of each class. measure gets those of one class.
func (a asked) byClass(
	x eval.Rows, classes []int, measure func(class int, x eval.Rows, indices []int) ([]eval.Metric, error),
) ([]classQuality, error) {
	var all []classQuality
	for _, k := range a.classes() {
		var indices []int
		for i, class := range classes {
			if class == k {
				indices = append(indices, i)
			}
		}
		metrics, err := measure(k, x.Pick(indices), indices)
		if err != nil {
			return nil, fmt.Errorf("class %s: %w", a.condition.ClassName(k), err)
		}
		q := classQuality{Class: k, N: len(indices), Metrics: metrics}
		if k < len(a.condition.Names) {
			q.Name = a.condition.Names[k]
		}
		all = append(all, q)
	}
	return all, nil
}

// whole returns the measure of all samples that says how many have the class that was asked for.
func (a asked) whole(found, classes []int, by []classQuality) eval.Metric {
	var expected float64
	for _, q := range by {
		expected += q.Metrics[0].Expected * float64(q.N) / float64(len(found))
	}
	return eval.AskedMetric(eval.AskedShare(found, classes), expected)
}

// printClasses writes the measures by class that tell most.
func printClasses(w io.Writer, by []classQuality) error {
	if len(by) == 0 {
		return nil
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(t, "\n  CLASS\tSAMPLES")
	for _, m := range by[0].Metrics {
		if shownByClass(m.Name) {
			fmt.Fprintf(t, "\t%s\tEXPECTED", strings.ToUpper(m.Name))
		}
	}
	fmt.Fprintln(t)
	for _, q := range by {
		name := fmt.Sprint(q.Class)
		if q.Name != "" && q.Name != name {
			name += " " + q.Name
		}
		fmt.Fprintf(t, "  %s\t%s", name, phrase.Grouped(int64(q.N)))
		for _, m := range q.Metrics {
			if shownByClass(m.Name) {
				fmt.Fprintf(t, "\t%s\t%s", measured(m.Value), measured(m.Expected))
			}
		}
		fmt.Fprintln(t)
	}
	return t.Flush()
}

func shownByClass(name string) bool {
	return slices.Contains([]string{eval.AskedClass, eval.FIDName, eval.SlicedWassersteinName}, name)
}
