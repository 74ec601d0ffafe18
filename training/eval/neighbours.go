package eval

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"
)

// Neighbour is a reference point near a sample.
type Neighbour struct {
	Index    int     // of the reference
	Distance float64 // Euclidean
	Mirrored bool    // the distance is the mirrored sample's
}

// Neighbours returns for each sample its k nearest references, the nearest first (Song & Ermon 2019, figures 9 and 10).
// Among equally near references, the first comes first. If mirrored has rows, these are the mirror images of the
// samples, or their features. A distance is then the smaller of the two, as in Song & Ermon (2020). Points may be
// pixels or features.
func Neighbours(samples, mirrored, references Rows, k int) ([][]Neighbour, error) {
	if err := checkPair(samples, references, 1); err != nil {
		return nil, fmt.Errorf("neighbours: %w", err)
	}
	if k < 1 || k > references.Len() {
		return nil, fmt.Errorf("neighbours: %d of %d references: want 1 to %d", k, references.Len(), references.Len())
	}
	if len(mirrored.X) > 0 {
		if err := checkPair(mirrored, samples, 1); err != nil || mirrored.Len() != samples.Len() {
			return nil, fmt.Errorf("neighbours: %d mirrored samples of %d numbers for %d of %d: want equal numbers",
				mirrored.Len(), mirrored.Dim, samples.Len(), samples.Dim)
		}
	}
	const block = 4096 // references at once; all of them as float64 may not fit into memory
	found := make([][]Neighbour, samples.Len())
	for first := 0; first < references.Len(); first += block {
		target := references.Slice(first, min(first+block, references.Len())).dense()
		near := nearBlock(samples, mirrored, target)
		for i, more := range near {
			for j := range more {
				more[j].Index += first
			}
			found[i] = nearest(append(found[i], more...), k)
		}
	}
	return found, nil
}

// NeighbourRows returns each sample followed by its k nearest references, as figures show them.
func NeighbourRows(samples, references Rows, k int) (Rows, error) {
	near, err := Neighbours(samples, Rows{}, references, k)
	if err != nil {
		return Rows{}, err
	}
	rows := Rows{Dim: samples.Dim}
	for i, found := range near {
		rows.X = append(rows.X, samples.Row(i)...)
		for _, n := range found {
			rows.X = append(rows.X, references.Row(n.Index)...)
		}
	}
	return rows, nil
}

// nearBlock measures the distances of all samples to all targets.
func nearBlock(samples, mirrored Rows, target *mat.Dense) [][]Neighbour {
	near := make([][]Neighbour, samples.Len())
	distances(samples.dense(), target, func(i int, square []float64) {
		near[i] = make([]Neighbour, len(square))
		for j, q := range square {
			near[i][j] = Neighbour{Index: j, Distance: math.Sqrt(q)}
		}
	})
	if len(mirrored.X) > 0 {
		distances(mirrored.dense(), target, func(i int, square []float64) {
			for j, q := range square {
				if d := math.Sqrt(q); d < near[i][j].Distance {
					near[i][j] = Neighbour{Index: j, Distance: d, Mirrored: true}
				}
			}
		})
	}
	return near
}

// nearest returns the first k of all by distance. Equal ones keep their order.
func nearest(all []Neighbour, k int) []Neighbour {
	return least(all, k, func(a, b Neighbour) int { return cmp.Compare(a.Distance, b.Distance) })
}

// least returns the first k of all in sorted order. Equal ones keep their order. It is a partial stable sort.
func least[T any](all []T, k int, compare func(a, b T) int) []T {
	var first []T
	for _, v := range all {
		if len(first) == k && compare(v, first[k-1]) >= 0 {
			continue
		}
		at, _ := slices.BinarySearchFunc(first, v, func(a, b T) int {
			if compare(a, b) <= 0 {
				return -1 // v goes behind equal elements
			}
			return 1
		})
		first = slices.Insert(first, at, v)
		first = first[:min(k, len(first))]
	}
	return first
}

// PrecisionRecall is the improved precision and recall of Kynkäänniemi et al. (2019): the share of the samples that lie
// on the manifold of the references, and the reverse. The manifold of a set consists of balls around its points, each
// of which reaches to the k-th nearest other point. The paper uses k = 3. Precision says how realistic samples are.
// Recall says how much of the real data they cover. Each set needs more than k points.
func PrecisionRecall(samples, references Rows, k int) (precision, recall float64, err error) {
	if k < 1 {
		return 0, 0, fmt.Errorf("precision and recall: %d neighbours: want at least 1", k)
	}
	if err := checkPair(samples, references, k+1); err != nil {
		return 0, 0, fmt.Errorf("precision and recall: %w", err)
	}
	x, y := samples.dense(), references.dense()
	return covered(x, y, reach(y, k)), covered(y, x, reach(x, k)), nil
}

// reach returns, for every point, the squared distance to its k-th nearest other point.
func reach(x *mat.Dense, k int) []float64 {
	n, _ := x.Dims()
	out := make([]float64, n)
	distances(x, x, func(i int, square []float64) {
		square[i] = math.Inf(1)
		out[i] = least(square, k, cmp.Compare)[k-1]
	})
	return out
}

// covered returns the share of x that lies in a ball around a point of y.
func covered(x, y *mat.Dense, reach []float64) float64 {
	n, _ := x.Dims()
	inside := 0
	distances(x, y, func(_ int, square []float64) {
		for j, q := range square {
			if q <= reach[j] {
				inside++
				break
			}
		}
	})
	return float64(inside) / float64(n)
}
