package eval

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/langevin-ml/langevin/sampling"
)

// AskedClass is the name of the measure that says how many samples have the class that was asked for.
const AskedClass = "asked class"

// AskedShare returns the share of samples whose class is the one that was asked for, with its standard error. It takes
// the class of each sample, at least one, and the one that was asked for.
func AskedShare(found, asked []int) Estimate {
	var right, n float64 = 0, float64(len(found))
	for i, k := range found {
		if k == asked[i] {
			right++
		}
	}
	share := right / n
	return Estimate{Value: share, Error: math.Sqrt(share * (1 - share) / n)}
}

// AskedMetric returns a share as a measure. expected is that of true samples of the classes.
func AskedMetric(share Estimate, expected float64) Metric {
	return Metric{Name: AskedClass, Value: share.Value, Expected: expected,
		Meaning: fmt.Sprintf("share of samples whose class is the one asked for, ± %.2g", share.Error)}
}

// InProportion chooses as many rows as possible whose classes have the given proportions, evenly spread over the rows
// of each class. labels has the class of each row, and want the proportion of each class. It returns the indices of the
// rows in order, and an error if there is no row of a class that is wanted.
func InProportion(labels []int, want []int) ([]int, error) {
	have := make([]int, len(want))
	for _, k := range labels {
		if k < len(have) {
			have[k]++
		}
	}
	units := math.Inf(1)
	for k, w := range want {
		if w > 0 {
			units = min(units, float64(have[k])/float64(w))
		}
		if w > 0 && have[k] == 0 {
			return nil, fmt.Errorf("there is no row of class %d", k)
		}
	}
	var chosen []int
	seen := make([]int, len(want))
	for i, k := range labels {
		if k >= len(want) || want[k] == 0 {
			continue
		}
		quota := int(units * float64(want[k]))
		if seen[k]*quota/have[k] < (seen[k]+1)*quota/have[k] {
			chosen = append(chosen, i)
		}
		seen[k]++
	}
	return chosen, nil
}

// Pick returns a copy of the points with the given indices.
func (r Rows) Pick(indices []int) Rows {
	picked := Rows{X: make([]float32, 0, len(indices)*r.Dim), Dim: r.Dim}
	for _, i := range indices {
		picked.X = append(picked.X, r.Row(i)...)
	}
	return picked
}

// Shuffled returns a copy of the points, and the indices that they had, in an order that depends only on their number.
func (r Rows) Shuffled() (Rows, []int) {
	order := rand.New(rand.NewPCG(seedTruth, seedBaseline)).Perm(r.Len())
	return r.Pick(order), order
}

// Restricted returns the mixture of the components of m in the given proportions. Those with 0 are left out.
func Restricted(m sampling.Mixture, proportions []int) sampling.Mixture {
	some := sampling.Mixture{Std: m.Std}
	for k, w := range proportions {
		if w > 0 {
			some.Weights = append(some.Weights, float64(w))
			some.Means = append(some.Means, m.Means[k])
		}
	}
	return some
}

// Component returns component k of m alone.
func Component(m sampling.Mixture, k int) sampling.Mixture {
	return sampling.Mixture{Weights: []float64{1}, Means: m.Means[k : k+1], Std: m.Std}
}

// Components returns the component of m whose mean is nearest to each point.
func Components(m sampling.Mixture, x Rows) []int {
	nearest := make([]int, x.Len())
	for i := range nearest {
		nearest[i] = m.Nearest(x.Row(i))
	}
	return nearest
}

// ComponentMetrics compares samples that were asked to come from component k of m with this component.
func ComponentMetrics(m sampling.Mixture, k int, samples Rows) ([]Metric, error) {
	one := Component(m, k)
	metrics, _, err := MixtureMetrics(one, samples)
	if err != nil {
		return nil, err
	}
	asked := slices.Repeat([]int{k}, samples.Len())
	ideal := AskedShare(Components(m, Draw(one, samples.Len(), seedBaseline)), asked)
	return append([]Metric{AskedMetric(AskedShare(Components(m, samples), asked), ideal.Value)}, metrics...), nil
}
