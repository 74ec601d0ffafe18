package eval

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"
)

// ClassReport says how a classifier classifies samples.
type ClassReport struct {
	Of        []int     // the most probable class of each sample
	Counts    []int     // of the samples, by their most probable class
	Shares    []float64 // of the samples, by their most probable class
	Confident float64   // share of the samples whose most probable class has a probability above 0.9
	Least     float64   // the smallest share over a uniform one: 1 if all are equally frequent, 0 if one is missing
	Most      float64   // the largest share over a uniform one
	Test      ChiSquare // of the counts with those of true images; from [TestImages.Measure]
}

// Classes counts the classes of samples, and how often the classifier is confident. The rows of p are the probabilities
// of the classes.
func Classes(p Rows) (ClassReport, error) {
	if err := checkProbabilities(p); err != nil {
		return ClassReport{}, fmt.Errorf("classes: %w", err)
	}
	r := ClassReport{Of: make([]int, p.Len()), Counts: make([]int, p.Dim), Shares: make([]float64, p.Dim)}
	for i := range p.Len() {
		row := p.Row(i)
		top := slices.Max(row)
		class := slices.Index(row, top)
		r.Of[i] = class
		r.Counts[class]++
		r.Shares[class] += 1 / float64(p.Len())
		if top > 0.9 {
			r.Confident += 1 / float64(p.Len())
		}
	}
	r.Least = slices.Min(r.Shares) * float64(p.Dim)
	r.Most = slices.Max(r.Shares) * float64(p.Dim)
	return r, nil
}

// InceptionScore is exp E KL(p(y|x) ‖ p(y)) (Salimans et al. 2016). The rows of p are the class probabilities. It is 1
// if all rows are equal. It is the number of classes if each row is certain of one class and all classes are equally
// frequent. It is computed on the given number of equal parts of the rows, in order. The value is the mean of the
// parts, and the standard error comes from their standard deviation.
func InceptionScore(p Rows, parts int) (Estimate, error) {
	if err := checkProbabilities(p); err != nil {
		return Estimate{}, fmt.Errorf("inception score: %w", err)
	}
	if parts < 1 || parts > p.Len() {
		return Estimate{}, fmt.Errorf("inception score: %d parts of %d rows: want 1 to %d", parts, p.Len(), p.Len())
	}
	scores := make([]float64, parts)
	for k := range scores {
		scores[k] = inceptionScore(p.Slice(k*p.Len()/parts, (k+1)*p.Len()/parts))
	}
	e := Estimate{Value: stat.Mean(scores, nil)}
	if parts > 1 {
		e.Error = stat.StdErr(stat.StdDev(scores, nil), float64(parts))
	}
	return e, nil
}

func inceptionScore(p Rows) float64 {
	marginal := make([]float64, p.Dim)
	for i, v := range p.X {
		marginal[i%p.Dim] += float64(v) / float64(p.Len())
	}
	var divergence float64
	for i, v := range p.X {
		if v > 0 {
			divergence += float64(v) * math.Log(float64(v)/marginal[i%p.Dim]) / float64(p.Len())
		}
	}
	return math.Exp(divergence)
}

func checkProbabilities(p Rows) error {
	if err := p.check(1); err != nil {
		return err
	}
	for i := range p.Len() {
		var sum float64
		for _, v := range p.Row(i) {
			sum += float64(v)
		}
		if math.Abs(sum-1) > 1e-3 || slices.Min(p.Row(i)) < 0 {
			return fmt.Errorf("row %d sums to %g: want probabilities", i, sum)
		}
	}
	return nil
}
