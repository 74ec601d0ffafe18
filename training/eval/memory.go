package eval

import (
	"fmt"
	"math"
	"slices"
)

// MemoryMetric shows whether samples were copied from the training images. The value is the mean distance, in pixels,
// of a sample to its nearest training image. The expected value is the same for test images. A value far below the
// expected one means copies.
func MemoryMetric(samples, test, train Rows) (Metric, error) {
	m, err := nearestOfTrain(samples, test, train)
	return m.distance(), err
}

// CopiesMetric shows how many samples are near copies of rows of the training: those nearer to one than nine of ten
// test rows are. The expected value is the share of the test rows that are so near. It is not measured, and ok is
// false, with fewer than 10 test rows.
func CopiesMetric(what string, samples, test, train Rows) (found Metric, ok bool, err error) {
	if test.Len() < leastHeld {
		return Metric{}, false, nil
	}
	m, err := nearestOfTrain(samples, test, train)
	if err != nil {
		return Metric{}, false, err
	}
	return m.copies(what), true, nil
}

// PictureMemory returns [MemoryMetric] and, if it can be measured, [CopiesMetric]. It searches the training once.
func PictureMemory(samples, test, train Rows) ([]Metric, error) {
	m, err := nearestOfTrain(samples, test, train)
	if err != nil {
		return nil, err
	}
	metrics := []Metric{m.distance()}
	if test.Len() >= leastHeld {
		metrics = append(metrics, m.copies("picture"))
	}
	return metrics, nil
}

// leastHeld is the least number of test rows of which a tenth is a number.
const leastHeld = 10

// memory has the distances of samples, and of test rows, to their nearest rows of the training.
type memory struct{ found, held []float64 }

// nearestOfTrain measures the first samples and the first test rows.
func nearestOfTrain(samples, test, train Rows) (m memory, err error) {
	const most = 200 // rows of each kind, because the search is through all of train
	for _, of := range []struct {
		rows Rows
		to   *[]float64
	}{{samples, &m.found}, {test, &m.held}} {
		near, err := Neighbours(of.rows.Slice(0, min(most, of.rows.Len())), Rows{}, train, 1)
		if err != nil {
			return memory{}, err
		}
		for _, n := range near {
			*of.to = append(*of.to, n[0].Distance)
		}
	}
	return m, nil
}

func (m memory) distance() Metric {
	return Metric{Name: "nearest training image", Value: meanOf(m.found), Expected: meanOf(m.held),
		Meaning: "mean distance in pixels; far below expected would be copies"}
}

func (m memory) copies(what string) Metric {
	held := slices.Sorted(slices.Values(m.held))
	near := held[len(held)/10]
	return Metric{Name: "near copies", Value: shareBelow(m.found, near), Expected: shareBelow(held, near),
		Meaning: fmt.Sprintf("share of samples nearer to a training %s than nine of ten held-out ones; more than "+
			"expected are copies", what)}
}

func meanOf(x []float64) (mean float64) {
	for _, v := range x {
		mean += v / float64(len(x))
	}
	return mean
}

// shareBelow returns the share of numbers below a bound.
func shareBelow(x []float64, bound float64) float64 {
	n := 0
	for _, v := range x {
		if v < bound {
			n++
		}
	}
	return float64(n) / math.Max(1, float64(len(x)))
}
