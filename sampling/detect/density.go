package detect

import "math"

// fit sets the mean and the covariance to those of rows. Correlations are shrunk towards 0, by as much as makes their
// expected error least (Schäfer & Strimmer 2005, target D), so that few rows suffice.
func (d *Detector) fit(rows [][]float64) {
	mean, spread := moments(rows)
	d.Mean = mean
	z := make([][]float64, len(rows))
	for i, row := range rows {
		z[i] = make([]float64, len(row))
		for j, v := range row {
			z[i][j] = (v - mean[j]) / spread[j]
		}
	}
	d.Factor = cholesky(correlations(z))
	for i, row := range d.Factor {
		for j := range row {
			row[j] *= spread[i]
		}
	}
}

// moments returns the mean and the standard deviation of each column, the latter at least [leastSpread] times the mean.
func moments(rows [][]float64) (mean, spread []float64) {
	n, width := float64(len(rows)), len(rows[0])
	mean, spread = make([]float64, width), make([]float64, width)
	for _, row := range rows {
		for j, v := range row {
			mean[j] += v / n
		}
	}
	for _, row := range rows {
		for j, v := range row {
			spread[j] += (v - mean[j]) * (v - mean[j]) / (n - 1)
		}
	}
	for j, v := range spread {
		spread[j] = max(math.Sqrt(v), leastSpread*mean[j], math.SmallestNonzeroFloat32)
	}
	return mean, spread
}

// correlations returns the shrunk correlations of standardised rows.
func correlations(z [][]float64) [][]float64 {
	n, width := float64(len(z)), len(z[0])
	r := make([][]float64, width)
	var variance, square float64 // sums over all pairs
	for i := range r {
		r[i] = make([]float64, i+1)
		r[i][i] = 1
		for j := range i {
			var mean, spread float64
			for _, row := range z {
				mean += row[i] * row[j] / n
			}
			for _, row := range z {
				e := row[i]*row[j] - mean
				spread += e * e
			}
			r[i][j] = mean * n / (n - 1)
			variance += spread * n / ((n - 1) * (n - 1) * (n - 1))
			square += r[i][j] * r[i][j]
		}
	}
	if square > 0 {
		shrink(r, min(1, max(variance/square, leastShrinkage)))
	}
	return r
}

// leastShrinkage keeps levels whose norms say the same from being told apart by their rounding.
const leastShrinkage = 1e-4

func shrink(r [][]float64, by float64) {
	for i, row := range r {
		for j := range i {
			row[j] *= 1 - by
		}
	}
}

// cholesky returns the lower triangle L with L·Lᵀ = c, of which only the lower triangle is read. c must be positive
// definite.
func cholesky(c [][]float64) [][]float64 {
	l := make([][]float64, len(c))
	for i := range c {
		l[i] = make([]float64, i+1)
		for j := range i + 1 {
			sum := c[i][j]
			for k := range j {
				sum -= l[i][k] * l[j][k]
			}
			if i == j {
				l[i][i] = math.Sqrt(sum)
			} else {
				l[i][j] = sum / l[j][j]
			}
		}
	}
	return l
}
