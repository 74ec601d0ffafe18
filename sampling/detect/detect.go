// Package detect says how unlike its training data a sample is.
//
// A score network knows more than a direction: the norms σ·‖s(x, σ)‖ at several noise levels are larger or smaller for
// samples unlike those it was trained on (multiscale score matching analysis, Mahmood et al. 2021, arXiv 2010.13132).
// ScoreNorms of package sampling computes them. A [Detector] has a normal distribution of them, fitted to samples of
// the training data's distribution that the training did not use. How unlikely the norms of a sample are is its
// distance. Other such samples calibrate the distances: the p-value of a sample is the share of them with at least its
// distance (conformal p-values, Vovk et al. 2005; Bates et al. 2023, arXiv 2104.08279). So of samples from the
// distribution, a threshold of 1 % on p-values alarms on 1 %, whatever the network, the density and the data are.
package detect

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

const (
	// Levels is the number of noise levels at which detectors look.
	Levels = 10

	// LeastRows is the smallest number of samples that a detector is fitted to. Half of them calibrate it, so the
	// smallest p-value is below 1 %.
	LeastRows = 200

	// MostRows is the largest number of samples that a detector is fitted to.
	MostRows = 20_000

	// maxLevels bounds the levels of a detector in a file.
	maxLevels = 64

	// leastSpread is the least standard deviation of norms in units of their mean. Scores are rounded to float32, so
	// smaller differences mean nothing.
	leastSpread = 1e-5
)

// Detector says how unlike the data that it was fitted to a sample is. It is only read after it is made, so it is safe
// for concurrent use. The zero value is no valid Detector.
type Detector struct {
	Sigmas      []float64   `json:"sigmas"`          // the noise levels of the norms
	Given       bool        `json:"given,omitempty"` // whether samples were given a condition of the model
	Mean        []float64   `json:"mean"`            // of the norms
	Factor      [][]float64 `json:"factor"`          // lower triangle L of their covariance L·Lᵀ, a row for each level
	Calibration []float64   `json:"calibration"`     // distances of the samples that calibrate, ascending
}

// Sigmas returns the noise levels at which a detector of a model looks: [Levels] of them, geometric from the largest
// sigma of the model to the smallest. It returns fewer if they are the same.
func Sigmas(largest, smallest float64) []float64 {
	if largest <= smallest {
		return []float64{smallest}
	}
	sigmas := make([]float64, Levels)
	for i := range sigmas {
		sigmas[i] = largest * math.Pow(smallest/largest, float64(i)/(Levels-1))
	}
	return sigmas
}

// Fit returns a detector for samples like those whose norms are given: a row of len(sigmas) for each sample. They must
// be independent samples of the training data's distribution that the training did not use. One half, chosen at
// random, fits the density, and the other half calibrates it. It returns an error for fewer than [LeastRows] or more
// than [MostRows] samples.
func Fit(sigmas, norms []float64) (*Detector, error) {
	rows := len(norms) / max(1, len(sigmas))
	if err := CheckRows(rows); err != nil {
		return nil, err
	}
	shuffled := make([][]float64, rows)
	for i, at := range rand.New(rand.NewPCG(0, 0)).Perm(rows) {
		shuffled[i] = norms[at*len(sigmas) : (at+1)*len(sigmas)]
	}
	d := &Detector{Sigmas: slices.Clone(sigmas)}
	d.fit(shuffled[:rows/2])
	for _, v := range shuffled[rows/2:] {
		d.Calibration = append(d.Calibration, d.Distance(v))
	}
	slices.Sort(d.Calibration)
	return d, d.Validate()
}

// CheckRows returns an error unless a detector can be fitted to n samples.
func CheckRows(n int) error {
	if n < LeastRows || n > MostRows {
		return fmt.Errorf("fit a detector: want %d to %d rows, not %d", LeastRows, MostRows, n)
	}
	return nil
}

// Distance returns how unlikely the norms of a sample at the levels Sigmas are: the length of their difference from the
// mean, in standard deviations along every direction (Mahalanobis 1936).
func (d *Detector) Distance(norms []float64) float64 {
	z, sum := make([]float64, len(norms)), 0.0
	for i, v := range norms {
		z[i] = v - d.Mean[i]
		for j, l := range d.Factor[i][:i] {
			z[i] -= l * z[j]
		}
		z[i] /= d.Factor[i][i]
		sum += z[i] * z[i]
	}
	return math.Sqrt(sum)
}

// Deviations returns how far norms are from their means, level by level, in standard deviations. They show where a
// sample is unlike the data. [Detector.Distance] also counts norms that do not fit together.
func (d *Detector) Deviations(norms []float64) []float64 {
	z := make([]float64, len(norms))
	for i, v := range norms {
		var variance float64
		for _, l := range d.Factor[i] {
			variance += l * l
		}
		z[i] = (v - d.Mean[i]) / math.Sqrt(variance)
	}
	return z
}

// PValue returns the probability that a sample of the data's distribution has at least the given distance, estimated
// from n samples that calibrate: 1 + the number of those with at least that distance, over 1 + n. If a sample comes
// from that distribution, the probability that its p-value is at most a is at most a, and more than a - 1/(1+n).
func (d *Detector) PValue(distance float64) float64 {
	below, _ := slices.BinarySearch(d.Calibration, distance)
	return float64(1+len(d.Calibration)-below) / float64(1+len(d.Calibration))
}

// LeastP returns the smallest p-value of the detector.
func (d *Detector) LeastP() float64 { return 1 / float64(1+len(d.Calibration)) }

// Validate returns an error of one line that names the field with a mistake.
func (d *Detector) Validate() error {
	n := len(d.Sigmas)
	if n < 1 || n > maxLevels {
		return fmt.Errorf("sigmas has %d levels: want 1 to %d", n, maxLevels)
	}
	if len(d.Mean) != n || len(d.Factor) != n {
		return fmt.Errorf("mean has %d and factor %d rows: want one for each of %d sigmas", len(d.Mean), len(d.Factor),
			n)
	}
	if c := len(d.Calibration); c < 1 || c > MostRows {
		return fmt.Errorf("calibration has %d distances: want 1 to %d", c, MostRows)
	}
	for i, row := range d.Factor {
		if len(row) != i+1 || !(row[i] > 0) {
			return fmt.Errorf("factor[%d] is no row of a triangle with a positive diagonal", i)
		}
		if !(d.Sigmas[i] > 0) {
			return fmt.Errorf("sigmas[%d] is %g: want above 0", i, d.Sigmas[i])
		}
	}
	return cmp.Or(finite("sigmas", d.Sigmas), finite("mean", d.Mean), finite("factor", slices.Concat(d.Factor...)),
		d.checkCalibration())
}

func (d *Detector) checkCalibration() error {
	if err := finite("calibration", d.Calibration); err != nil {
		return err
	}
	if !slices.IsSorted(d.Calibration) {
		return errors.New("calibration is not ascending")
	}
	return nil
}

func finite(field string, values []float64) error {
	for _, v := range values {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("%s has %g: want finite numbers", field, v)
		}
	}
	return nil
}
