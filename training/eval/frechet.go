package eval

import (
	"errors"
	"fmt"
	"math"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"
)

// Gaussian is the mean and the covariance of a set of features. [FrechetDistance] needs nothing else.
type Gaussian struct {
	Mean       []float64
	Covariance *mat.SymDense
}

// Fit returns the mean and the unbiased covariance of at least 2 rows.
func Fit(x Rows) (Gaussian, error) {
	if err := x.check(2); err != nil {
		return Gaussian{}, fmt.Errorf("fit Gaussian: %w", err)
	}
	m := x.dense()
	g := Gaussian{Mean: make([]float64, x.Dim), Covariance: mat.NewSymDense(x.Dim, nil)}
	for j := range g.Mean {
		g.Mean[j] = stat.Mean(mat.Col(nil, j, m), nil)
	}
	stat.CovarianceMatrix(g.Covariance, m, nil)
	return g, nil
}

// FrechetDistance is the squared Fréchet distance of two Gaussians (Dowson & Landau 1982). On the features of a
// classifier it is the FID (Heusel et al. 2017):
//
//	‖μ₁ - μ₂‖² + tr(Σ₁ + Σ₂ - 2(Σ₁Σ₂)^½)
//
// It computes the root of the symmetric Σ₁^½ Σ₂ Σ₁^½, which has the same trace, by eigendecomposition. So it is also
// right for singular covariances.
func FrechetDistance(a, b Gaussian) (float64, error) {
	if len(a.Mean) != len(b.Mean) {
		return 0, fmt.Errorf("measure the Fréchet distance: features of %d and of %d numbers: want equal",
			len(a.Mean), len(b.Mean))
	}
	root, err := squareRoot(a.Covariance)
	if err != nil {
		return 0, fmt.Errorf("measure the Fréchet distance: %w", err)
	}
	var product mat.Dense
	product.Mul(root, b.Covariance)
	product.Mul(&product, root)
	values, err := eigenvalues(symmetric(&product))
	if err != nil {
		return 0, fmt.Errorf("measure the Fréchet distance: %w", err)
	}
	shift := floats.Distance(a.Mean, b.Mean, 2)
	distance := shift*shift + mat.Trace(a.Covariance) + mat.Trace(b.Covariance)
	for _, v := range values {
		distance -= 2 * math.Sqrt(max(0, v))
	}
	return max(0, distance), nil
}

// FID is the [FrechetDistance] of two sets of features. Its bias falls as one over the number of rows, so compare only
// values for equal numbers of rows.
func FID(x, y Rows) (float64, error) {
	a, errA := Fit(x)
	b, errB := Fit(y)
	if err := errors.Join(errA, errB); err != nil {
		return 0, fmt.Errorf("FID: %w", err)
	}
	return FrechetDistance(a, b)
}

var errEigen = errors.New("the eigendecomposition of a covariance did not converge")

// squareRoot returns the symmetric root of a positive semidefinite matrix.
func squareRoot(m *mat.SymDense) (*mat.SymDense, error) {
	var e mat.EigenSym
	if !e.Factorize(m, true) {
		return nil, errEigen
	}
	var vectors, product mat.Dense
	e.VectorsTo(&vectors)
	values := e.Values(nil)
	for i, v := range values {
		values[i] = math.Sqrt(max(0, v))
	}
	product.Mul(&vectors, mat.NewDiagDense(len(values), values))
	product.Mul(&product, vectors.T())
	return symmetric(&product), nil
}

func eigenvalues(m *mat.SymDense) ([]float64, error) {
	var e mat.EigenSym
	if !e.Factorize(m, false) {
		return nil, errEigen
	}
	return e.Values(nil), nil
}

// symmetric returns (m + mᵀ)/2, for products that are symmetric except for rounding.
func symmetric(m *mat.Dense) *mat.SymDense {
	n, _ := m.Dims()
	s := mat.NewSymDense(n, nil)
	for i := range n {
		for j := range i + 1 {
			s.SetSym(i, j, (m.At(i, j)+m.At(j, i))/2)
		}
	}
	return s
}
