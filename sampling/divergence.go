package sampling

import "math"

// probeLength is the length of a probe along each of its axes, in units of σ. It must be long enough that float32
// scores differ by more than their rounding, and short enough that a density with noise σ is almost linear over it.
// Half the length divides the error from curvature by 4 and doubles the error from rounding.
const probeLength = 1. / 64

// leastProbe is the least length of a probe along each of its axes, in units of the largest element of the point. Far
// from the data σ/64 is less than the rounding of float32, and the two points of a pair would be one. There the score
// is almost linear over longer probes.
const leastProbe = 1. / (1 << 16)

// probes returns the vectors e along which a chain's divergence Σ eᵀ(∂s/∂x)e is measured. A nil probes measures none.
type probes func(n Noise, dim int) [][]float32

// signs returns Hutchinson's probe: one vector of random signs, each with equal probability.
func signs(n Noise, dim int) [][]float32 {
	e := make([]float32, dim)
	for i := 0; i < dim; i += 4 {
		a, b, c, d := n.block(i/4, 0, laneProbe)
		quad := [4]float32{sign(a), sign(b), sign(c), sign(d)}
		copy(e[i:], quad[:])
	}
	return [][]float32{e}
}

func sign(bits uint32) float32 {
	if bits>>31 == 0 {
		return 1
	}
	return -1
}

// axes returns probes along every axis, shared by all chains. With them the divergence is exact.
func axes() probes {
	var e [][]float32
	return func(_ Noise, dim int) [][]float32 {
		for j := len(e); j < dim; j++ {
			axis := make([]float32, dim)
			axis[j] = 1
			e = append(e, axis)
		}
		return e
	}
}

// rows returns the number of scores that the path needs at each stage.
func (p *path) rows() int { return 1 + 2*len(p.probes) }

// appendRows appends the points at which the path needs scores: the point of the stage, and for every probe a pair of
// points around it.
func (p *path) appendRows(x, sigma []float32, stage int) ([]float32, []float32) {
	s, largest := p.sigma(stage), 0.0
	for _, v := range p.y {
		x = append(x, float32(v))
		largest = max(largest, math.Abs(v))
	}
	length := max(probeLength*float64(s), leastProbe*largest)
	for _, e := range p.probes {
		for _, h := range [2]float64{length, -length} {
			for i, v := range p.y {
				x = append(x, float32(v+float64(h*float64(e[i]))))
			}
		}
	}
	for range p.rows() {
		sigma = append(sigma, s)
	}
	return x, sigma
}

// divergence returns Σ eᵀ(∂s/∂x)e over the probes. x has a pair of points around one point for every probe, and score
// has their scores. The derivative is eᵀΔs/|Δx| with the actual distance of the float32 points.
func divergence(probes [][]float32, x, score []float32) float64 {
	var total float64
	for _, e := range probes {
		dim := len(e)
		var change, length, square float64
		for i, v := range e {
			w := float64(v)
			change += float64(w * (float64(score[i]) - float64(score[dim+i])))
			length += float64(w * (float64(x[i]) - float64(x[dim+i])))
			square += float64(w * w)
		}
		total += change / length * square
		x, score = x[2*dim:], score[2*dim:]
	}
	return total
}
