package sampling

import "math"

// Blend mixes the noise of two chains: at every step z = p·cos φ + q·sin φ, with p of the chain's own stream and q of
// Other's, which is N(0, I) again. Chains that share p, q and their start and differ in φ are samples between two
// (Song & Ermon 2020, appendix B.3).
type Blend struct {
	Other    Noise
	cos, sin float32
}

// NewBlend returns the mix at angle phi: 0 is the chain's own noise, π/2 is Other's.
func NewBlend(other Noise, phi float64) *Blend {
	b := &Blend{Other: other, cos: float32(math.Cos(phi)), sin: float32(math.Sin(phi))}
	if phi == math.Pi/2 {
		b.cos = 0 // cos(π/2) is not quite 0 in floating point, and the end of a row is to be Other's noise exactly
	}
	return b
}

// mix adds q·sin φ to z·cos φ. q is scratch.
func (b *Blend) mix(z, q []float32, step uint32) {
	b.Other.Normal(q, step)
	for i := range z {
		z[i] = float32(b.cos*z[i]) + float32(b.sin*q[i])
	}
}

// ChainAt returns the chain of an index, without its plan. With columns above 1, chains are the samples between two:
// index i is column i mod columns of row i / columns; a row starts from one state, and its noise turns from that of
// stream 2·row in column 0 to that of stream 2·row + 1 in the last column. Otherwise each chain has the stream of its
// own index.
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
