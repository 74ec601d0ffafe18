package sampling

import (
	"encoding/binary"
	"hash/fnv"
	"math"
	"testing"
)

// TestPhilox checks the known answers that Salmon et al. publish with their generator (Random123, philox4x32-10).
func TestPhilox(t *testing.T) {
	tests := []struct {
		counter [4]uint32
		key     [2]uint32
		want    [4]uint32
	}{
		{[4]uint32{}, [2]uint32{}, [4]uint32{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
		{
			[4]uint32{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, [2]uint32{0xffffffff, 0xffffffff},
			[4]uint32{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
		},
		{ // digits of π
			[4]uint32{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, [2]uint32{0xa4093822, 0x299f31d0},
			[4]uint32{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1},
		},
	}
	for _, test := range tests {
		c, k := test.counter, test.key
		var got [4]uint32
		got[0], got[1], got[2], got[3] = philox(c[0], c[1], c[2], c[3], k[0], k[1])
		if got != test.want {
			t.Errorf("philox(%x, %x) = %x, want %x", c, k, got, test.want)
		}
	}
}

// TestBoxMullerAgainstFloat64 recomputes normals from the same random bits with the standard library in float64.
func TestBoxMullerAgainstFloat64(t *testing.T) {
	var worst float64
	for i := range uint32(200_000) {
		u, v, w, x := philox(i, 0, 0, 0, 7, 7)
		for _, bits := range [][2]uint32{{u, v}, {w, x}, {i, v}, {^i, v}} {
			r := math.Sqrt(-2 * math.Log((float64(bits[0])+0.5)/(1<<32)))
			sin, cos := math.Sincos(2 * math.Pi * float64(bits[1]) / (1 << 32))
			a, b := boxMuller(bits[0], bits[1])
			worst = max(worst, math.Abs(float64(a)-r*cos), math.Abs(float64(b)-r*sin))
		}
	}
	// The argument of the logarithm is rounded to float32. Near u = 1 this moves r by up to √(2·2^-24) = 3.5e-4.
	if worst > 3.5e-4 {
		t.Errorf("normals differ from float64 by up to %g, want at most 3.5e-4", worst)
	}
}

func TestLn(t *testing.T) {
	for i := range uint32(1 << 22) {
		x := math.Float32frombits(0x2f000000 + i*69) // 2^-33 up to 1.97
		want := math.Log(float64(x))
		if got := float64(ln(x)); math.Abs(got-want) > 2.4e-7*math.Abs(want) {
			t.Fatalf("ln(%g) = %g, want %g to 2.4e-7", x, got, want)
		}
	}
}

func TestSincosTurn(t *testing.T) {
	for i := range uint32(1 << 20) {
		v := i * 4099
		sin, cos := sincosTurn(v)
		wantSin, wantCos := math.Sincos(2 * math.Pi * float64(v) / (1 << 32))
		if math.Abs(float64(sin)-wantSin) > 1.5e-7 || math.Abs(float64(cos)-wantCos) > 1.5e-7 {
			t.Fatalf("sincosTurn(%#x) = %g, %g, want %g, %g", v, sin, cos, wantSin, wantCos)
		}
	}
}

// TestNormalMoments checks mean, variance, skewness, kurtosis and tails within five standard errors.
func TestNormalMoments(t *testing.T) {
	const n = 1 << 20
	z := make([]float32, n)
	Noise{Seed: 1, Chain: 2}.Normal(z, 3)
	var m [5]float64
	beyond3 := 0.0
	for _, v := range z {
		for k, p := 1, 1.0; k <= 4; k++ {
			p *= float64(v)
			m[k] += p / n
		}
		if math.Abs(float64(v)) > 3 {
			beyond3 += 1.0 / n
		}
	}
	se := 1 / math.Sqrt(n)
	for _, c := range []struct {
		name            string
		got, want, sdev float64
	}{
		{"mean", m[1], 0, 1}, {"second moment", m[2], 1, math.Sqrt2}, {"third moment", m[3], 0, math.Sqrt(15)},
		{"fourth moment", m[4], 3, math.Sqrt(96)}, {"share beyond 3", beyond3, math.Erfc(3 / math.Sqrt2), 0.052},
	} {
		if math.Abs(c.got-c.want) > 5*c.sdev*se {
			t.Errorf("%s is %g, want %g ± %g", c.name, c.got, c.want, 5*c.sdev*se)
		}
	}
}

// TestStreamsAreIndependent measures the correlation of streams whose coordinates differ by one.
func TestStreamsAreIndependent(t *testing.T) {
	const n = 1 << 16
	base, other := make([]float32, n), make([]float32, n)
	Noise{Seed: 5, Chain: 6}.Normal(base, 7)
	draws := map[string]func(){
		"seed":       func() { Noise{Seed: 6, Chain: 6}.Normal(other, 7) },
		"high seed":  func() { Noise{Seed: 5 + 1<<32, Chain: 6}.Normal(other, 7) },
		"chain":      func() { Noise{Seed: 5, Chain: 7}.Normal(other, 7) },
		"high chain": func() { Noise{Seed: 5, Chain: 6 + 1<<32}.Normal(other, 7) },
		"step":       func() { Noise{Seed: 5, Chain: 6}.Normal(other, 8) },
		"lane":       func() { Noise{Seed: 5, Chain: 6}.normal(other, 7, lanePrior) },
		"element":    func() { copy(other, append(base[1:len(base):len(base)], base[0])) },
	}
	for name, draw := range draws {
		draw()
		var dot float64
		for i := range base {
			dot += float64(base[i]) * float64(other[i]) / n
		}
		if math.Abs(dot) > 5/math.Sqrt(n) {
			t.Errorf("another %s: correlation %g, want 0 ± %g", name, dot, 5/math.Sqrt(n))
		}
	}
}

// TestNoiseIsPure: the numbers do not depend on the length that is drawn, and a second draw gives the same ones.
func TestNoiseIsPure(t *testing.T) {
	noise := Noise{Seed: 11, Chain: 12}
	long := make([]float32, 103)
	noise.Normal(long, 13)
	uniform := make([]float32, 103)
	noise.Uniform(uniform, 13)
	for n := range long {
		z, u := make([]float32, n), make([]float32, n)
		noise.Normal(z, 13)
		noise.Uniform(u, 13)
		for i := range n {
			if z[i] != long[i] || u[i] != uniform[i] {
				t.Fatalf("element %d of %d differs from element %d of 103", i, n, i)
			}
			if u[i] < 0 || u[i] >= 1 {
				t.Fatalf("uniform %g out of [0, 1)", u[i])
			}
		}
	}
}

// TestNoiseGolden pins the bits: seeds published with one build must mean the same in every other. The digest was taken
// once the tests above agreed with float64. It changes only together with NoiseVersion.
func TestNoiseGolden(t *testing.T) {
	hash := fnv.New64a()
	z := make([]float32, 1<<16)
	for step := range uint32(4) {
		Noise{Seed: 0x0123456789abcdef, Chain: 42}.Normal(z, step)
		if err := binary.Write(hash, binary.LittleEndian, z); err != nil {
			t.Fatal(err)
		}
	}
	const want = 0x1af813d3fbdc70a4
	if got := hash.Sum64(); got != want {
		t.Errorf("noise of %s hashes to %#x, want %#x", NoiseVersion, got, uint64(want))
	}
}

func BenchmarkNormal(b *testing.B) {
	for _, n := range []int{2, 784} {
		b.Run(map[int]string{2: "point", 784: "image"}[n], func(b *testing.B) {
			z := make([]float32, n)
			for i := range b.N {
				Noise{Seed: 1, Chain: uint64(i)}.Normal(z, 0)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/normal")
		})
	}
}
