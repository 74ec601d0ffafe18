package sampling

import "math"

// NoiseVersion names the generator and its float32 arithmetic. It is part of the identity of a sample's bits, and
// changes whenever any of those bits would.
const NoiseVersion = "philox4x32-10/box-muller-f32/1"

// Noise is the random stream of one chain. Every number in it is a pure function of (Seed, Chain, step, element). A
// Noise has no state: any number of goroutines may draw any step of any chain at any time and in any order.
//
// The generator is Philox4x32-10 with Seed as its key. Its 128-bit counter is (Chain, step, lane and element/4), and no
// two draws share a counter.
type Noise struct{ Seed, Chain uint64 }

// lane separates the uses of the noise, so that no two uses share a number.
type lane uint32

const (
	laneStep  lane = 0 << 28 // z of an update
	lanePrior lane = 1 << 28 // the initial state
	laneData  lane = 2 << 28 // draws from a known distribution such as a Mixture
	laneKnown lane = 3 << 28 // noise on the fixed part of a sample
	laneProbe lane = 4 << 28 // random signs for the probes of FlowLogLikelihood

	laneResample lane = 5 << 28 // which particles of a chain survive, and which one is its sample
)

// Normal fills dst with independent N(0, 1) numbers for the update of the given step. dst may have at most 2^30
// elements.
func (n Noise) Normal(dst []float32, step uint32) { n.normal(dst, step, laneStep) }

// Uniform fills dst with independent numbers for the initial state. They are uniform on [0, 1) and multiples of 2^-24.
// dst may have at most 2^30 elements.
func (n Noise) Uniform(dst []float32, step uint32) { n.uniform(dst, step, lanePrior) }

func (n Noise) block(i int, step uint32, l lane) (uint32, uint32, uint32, uint32) {
	return philox(uint32(i)|uint32(l), step, uint32(n.Chain), uint32(n.Chain>>32), uint32(n.Seed), uint32(n.Seed>>32))
}

func (n Noise) normal(dst []float32, step uint32, l lane) {
	i := 0
	for ; len(dst) >= 4; i, dst = i+1, dst[4:] {
		a, b, c, d := n.block(i, step, l)
		dst[0], dst[1] = boxMuller(a, b)
		dst[2], dst[3] = boxMuller(c, d)
	}
	if len(dst) == 0 {
		return
	}
	a, b, c, d := n.block(i, step, l)
	first, second := boxMuller(a, b)
	dst[0] = first
	if len(dst) > 1 {
		dst[1] = second
	}
	if len(dst) > 2 {
		dst[2], _ = boxMuller(c, d)
	}
}

// uniformOne returns the first number that uniform would write.
func (n Noise) uniformOne(step uint32, l lane) float32 {
	bits, _, _, _ := n.block(0, step, l)
	return unit(bits)
}

func (n Noise) uniform(dst []float32, step uint32, l lane) {
	for i := 0; len(dst) > 0; i++ {
		a, b, c, d := n.block(i, step, l)
		quad := [4]float32{unit(a), unit(b), unit(c), unit(d)}
		dst = dst[copy(dst, quad[:]):]
	}
}

// unit maps 32 random bits to [0, 1). It keeps the 24 bits that a float32 represents exactly.
func unit(bits uint32) float32 { return float32(bits>>8) * (1.0 / (1 << 24)) }

// boxMuller turns two words of random bits into two independent N(0, 1) numbers (Box & Muller 1958):
// √(-2 ln u)·(cos 2πv, sin 2πv). u is in (0, 1] and has 32 bits, so the tails reach 6.7.
func boxMuller(u, v uint32) (float32, float32) {
	r := float32(math.Sqrt(float64(-2 * ln(float32(float32(u)*(1.0/(1<<32)))+(1.0/(1<<33))))))
	sin, cos := sincosTurn(v)
	return float32(r * cos), float32(r * sin)
}

// ln returns the natural logarithm of a normal float32 in (0, 2), accurate to 2 units in the last place. With x = m·2^e
// and m in [√½, √2), ln m = 2 artanh((m-1)/(m+1)). Five terms of its series in odd powers leave an error below 1e-9.
func ln(x float32) float32 {
	const sqrtHalf = 0x3f3504f3 // √½ as float32 bits
	b := math.Float32bits(x)
	e := int32(b-sqrtHalf) >> 23
	m := math.Float32frombits(b - uint32(e)<<23)
	s := float32((m - 1) / (m + 1))
	s2 := float32(s * s)
	p := float32(s2*(1.0/9)) + 1.0/7
	p = float32(s2*p) + 1.0/5
	p = float32(s2*p) + 1.0/3
	p = float32(s2 * p)
	s += s
	return float32(float32(e)*math.Ln2) + (s + float32(s*p))
}

// sincosTurn returns the sine and cosine of v/2^32 of a full turn, accurate to 2 units in the last place. It removes
// the quarter turns exactly, in integers. The rest is an angle of at most π/4, for which it uses Taylor series.
func sincosTurn(v uint32) (sin, cos float32) {
	quarter := (v + 1<<29) >> 30
	t := float32(float32(int32(v-quarter<<30)) * (2 * math.Pi / (1 << 32)))
	t2 := float32(t * t)
	p := float32(t2*(1.0/362880)) - 1.0/5040
	p = float32(t2*p) + 1.0/120
	p = float32(t2*p) - 1.0/6
	sin = t + float32(t*float32(t2*p))
	q := float32(t2*(1.0/40320)) - 1.0/720
	q = float32(t2*q) + 1.0/24
	q = float32(t2*q) - 0.5
	cos = 1 + float32(t2*q)
	return rotate(sin, cos, quarter)
}

// rotate adds the given number of quarter turns to an angle with the given sine and cosine. It does not branch. The
// quarters are random, so a branch would be random too, and one misprediction costs more than all of this code.
func rotate(sin, cos float32, quarters uint32) (float32, float32) {
	s, c := math.Float32bits(sin), math.Float32bits(cos)
	swapped := (s ^ c) & -(quarters & 1)
	s, c = s^swapped, c^swapped
	s ^= (quarters & 2) << 30
	c ^= ((quarters + 1) & 2) << 30
	return math.Float32frombits(s), math.Float32frombits(c)
}
