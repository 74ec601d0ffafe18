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
	m := Metric{Name: "nearest training image", Meaning: "mean distance in pixels; far below expected would be copies"}
	found, held, err := nearestOfTrain(samples, test, train)
	if err == nil {
		m.Value, m.Expected = meanOf(found), meanOf(held)
	}
	return m, err
}

// leastHeld is the least number of test rows of which a tenth is a number.
const leastHeld = 10

// CopiesMetric shows how many samples are near copies of rows of the training: those nearer to one than nine of ten
// test rows are. The expected value is the share of the test rows that are so near. It is not measured, and ok is
// false, with fewer than 10 test rows.
func CopiesMetric(what string, samples, test, train Rows) (m Metric, ok bool, err error) {
	m = Metric{Name: "near copies", Meaning: fmt.Sprintf("share of samples nearer to a training %s than nine of ten "+
		"held-out ones; more than expected are copies", what)}
	if test.Len() < leastHeld {
		return m, false, nil
	}
	found, held, err := nearestOfTrain(samples, test, train)
	if err != nil {
		return m, false, err
	}
	slices.Sort(held)
	near := held[len(held)/10]
	m.Value, m.Expected = shareBelow(found, near), shareBelow(held, near)
	return m, true, nil
}

// nearestOfTrain returns the distances of the first samples, and of the first test rows, to their nearest row of train.
func nearestOfTrain(samples, test, train Rows) (found, held []float64, err error) {
	const most = 200 // rows of each kind, because the search is through all of train
	for _, of := range []struct {
		rows Rows
		to   *[]float64
	}{{samples, &found}, {test, &held}} {
		near, err := Neighbours(of.rows.Slice(0, min(most, of.rows.Len())), Rows{}, train, 1)
		if err != nil {
			return nil, nil, err
		}
		for _, n := range near {
			*of.to = append(*of.to, n[0].Distance)
		}
	}
	return found, held, nil
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
