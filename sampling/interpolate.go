package sampling

import "math"

// Blend mixes the noise of two chains. At every step z = p·cos φ + q·sin φ, where p is the chain's own noise and q is
// Other's. The mix is again N(0, I). Chains with the same p, q and initial state and different φ are samples between
// two others (Song & Ermon 2020, appendix B.3).
type Blend struct {
	Other    Noise
	cos, sin float32
}

// NewBlend returns the mix at angle phi. At 0 it is the chain's own noise, at π/2 it is Other's.
func NewBlend(other Noise, phi float64) *Blend {
	b := &Blend{Other: other, cos: float32(math.Cos(phi)), sin: float32(math.Sin(phi))}
	if phi == math.Pi/2 {
		b.cos = 0 // in floating point cos(π/2) is not 0, but the end of a row must be exactly Other's noise
	}
	return b
}

// mix replaces z by z·cos φ + q·sin φ. q is scratch space.
func (b *Blend) mix(z, q []float32, step uint32) {
	b.Other.Normal(q, step)
	for i := range z {
		z[i] = float32(b.cos*z[i]) + float32(b.sin*q[i])
	}
}

// ChainAt returns the chain with the given index, without its plan. If columns is at most 1, the chain has the noise
// stream of its index.
//
// If columns is above 1, chains interpolate: index i is column i mod columns of row i / columns. All chains of a row
// start from one state. Their noise turns from stream 2·row in column 0 to stream 2·row + 1 in the last column.
func ChainAt(seed, index uint64, columns int) Chain {
	if columns <= 1 {
		return Chain{Noise: Noise{Seed: seed, Chain: index}}
	}
	row, column := index/uint64(columns), index%uint64(columns)
	phi := math.Pi / 2 * float64(column) / float64(columns-1)
	return Chain{
		Noise: Noise{Seed: seed, Chain: 2 * row},
		Blend: NewBlend(Noise{Seed: seed, Chain: 2*row + 1}, phi),
	}
}
