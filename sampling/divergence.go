package sampling

// probeLength is the length of a probe along each of its axes, in units of σ: long enough that float32 scores differ
// by more than their rounding, short enough that densities blurred by σ hardly bend over it. Halving it divides the
// bending's share of the error by 4 and doubles the rounding's.
const probeLength = 1. / 64

// probes returns the vectors e along which a chain's divergence Σ eᵀ(∂s/∂x)e is measured. Nil measures none.
type probes func(n Noise, dim int) [][]float32

// signs is Hutchinson's probe: one vector of random signs, each with even odds.
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

// axes returns probes along every axis, which all chains share: with them the divergence is exact.
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

// rows is how many scores the path needs at each stage.
func (p *path) rows() int { return 1 + 2*len(p.probes) }

// ask appends the points whose scores the path needs at a stage: its own, and a pair about it for every probe.
func (p *path) ask(x, sigma []float32, stage int) ([]float32, []float32) {
	s := p.sigma(stage)
	for _, v := range p.y {
		x = append(x, float32(v))
	}
	length := probeLength * float64(s)
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

// divergence is Σ eᵀ(∂s/∂x)e over the probes, from pairs of points x about one point and their scores: eᵀΔs/|Δx|, with
// the length that the float32 points really have.
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
