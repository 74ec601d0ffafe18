package linear

import (
	"fmt"
	"math"
	"math/cmplx"

	"github.com/langevin-ml/langevin/sampling"
)

// selected is a basis of some of the vectors of an orthonormal transform of all of space.
type selected struct {
	transform transform
	dim       int
	slots     []int // of the transform's coefficients
}

// transform is an orthonormal matrix.
type transform interface {
	forward(x []float64, work *sampling.Work) // in place
	inverse(x []float64, work *sampling.Work) // of forward, in place
}

func (s *selected) coordinates(c, x []float64, work *sampling.Work) {
	all := work.Floats(0, s.dim)
	copy(all, x)
	s.transform.forward(all, work)
	for j, slot := range s.slots {
		c[j] = all[slot]
	}
}

func (s *selected) spread(x, c []float64, work *sampling.Work) {
	clear(x)
	for j, slot := range s.slots {
		x[slot] = c[j]
	}
	s.transform.inverse(x, work)
}

// choose returns the operator that measures the given coefficients of a transform: different indices from 0 to dim-1.
func choose(t transform, dim int, slots []int, field string) (*Operator, error) {
	if len(slots) == 0 {
		return nil, &sampling.FieldError{Field: field, Given: "none", Want: "at least one coefficient"}
	}
	seen := make([]bool, dim)
	for i, slot := range slots {
		if slot < 0 || slot >= dim || seen[slot] {
			return nil, &sampling.FieldError{
				Field: field, Given: fmt.Sprintf("%d at element %d", slot, i),
				Want: fmt.Sprintf("different numbers from 0 to %d", dim-1),
			}
		}
		seen[slot] = true
	}
	s := &selected{t, dim, append([]int(nil), slots...)}
	return &Operator{dim: dim, size: len(slots), singular: repeated(1, len(slots)), right: s}, nil
}

// Fourier measures coefficients of the orthonormal discrete Fourier transform X of every channel, in real form. They
// are numbered like the elements of a sample. Of the two frequencies (u, v) and (-u, -v), whose coefficients are
// conjugates, the one that comes first stands for √2·Re X(u, v), and the other for √2·Im X(u, v). A frequency that is
// its own negative stands for X, which is real.
func Fourier(of Shape, coefficients []int) (*Operator, error) {
	if err := of.checkFourier("fourier"); err != nil {
		return nil, err
	}
	return choose(newFourier(of), of.Dim(), coefficients, "fourier.coefficients")
}

// checkFourier returns an error if a transform of the shape takes too long.
func (s Shape) checkFourier(field string) error {
	if work := float64(s.Height) * float64(s.Width) * float64(s.Height+s.Width); work > MaxFourierWork {
		return &sampling.FieldError{
			Field: field, Given: fmt.Sprintf("set for samples of %d × %d", s.Height, s.Width),
			Want: fmt.Sprintf("height times width times their sum of at most %d", MaxFourierWork),
		}
	}
	return nil
}

// fourier is the real form of the Fourier transform. Every slot times its phase is rotated in the plane of its pair.
type fourier struct {
	of            Shape
	down, across  []complex128 // e^(-2πi k/n) for the height and the width
	forwardPhases []complex128 // of every frequency of a channel, or nil: 1
}

func newFourier(of Shape) *fourier {
	return &fourier{of: of, down: circle(of.Height), across: circle(of.Width)}
}

func circle(n int) []complex128 {
	roots := make([]complex128, n)
	for k := range roots {
		sin, cos := math.Sincos(2 * math.Pi * float64(k) / float64(n))
		roots[k] = complex(cos, -sin)
	}
	return roots
}

// partner returns the index of the negative frequency.
func (f *fourier) partner(i int) int {
	u, v := i/f.of.Width, i%f.of.Width
	return (f.of.Height-u)%f.of.Height*f.of.Width + (f.of.Width-v)%f.of.Width
}

func (f *fourier) forward(x []float64, work *sampling.Work) {
	area := f.of.Height * f.of.Width
	buffer := work.Floats(1, 4*area)
	re, im, scratch := buffer[:area], buffer[area:2*area], buffer[2*area:]
	for c := range f.of.Channels {
		picture := x[c*area : (c+1)*area]
		copy(re, picture)
		clear(im)
		f.dft(re, im, scratch, 1)
		for i := range picture {
			p := f.partner(i)
			z := f.phased(complex(re[i], im[i]), i, false)
			switch {
			case p == i:
				picture[i] = real(z)
			case i < p:
				picture[i], picture[p] = math.Sqrt2*real(z), math.Sqrt2*imag(z)
			}
		}
	}
}

func (f *fourier) inverse(x []float64, work *sampling.Work) {
	area := f.of.Height * f.of.Width
	buffer := work.Floats(1, 4*area)
	re, im, scratch := buffer[:area], buffer[area:2*area], buffer[2*area:]
	for c := range f.of.Channels {
		picture := x[c*area : (c+1)*area]
		for i := range picture {
			p := f.partner(i)
			switch {
			case p == i:
				z := f.phased(complex(picture[i], 0), i, true)
				re[i], im[i] = real(z), imag(z)
			case i < p:
				z := f.phased(complex(picture[i], picture[p])/math.Sqrt2, i, true)
				re[i], im[i], re[p], im[p] = real(z), imag(z), real(z), -imag(z)
			}
		}
		f.dft(re, im, scratch, -1)
		copy(picture, re)
	}
}

// phased multiplies a coefficient with the conjugate of its phase, or with the phase itself in the inverse.
func (f *fourier) phased(z complex128, i int, inverse bool) complex128 {
	switch {
	case f.forwardPhases == nil:
		return z
	case inverse:
		return z * f.forwardPhases[i]
	}
	return z * cmplx.Conj(f.forwardPhases[i])
}

// dft replaces a picture by its orthonormal discrete Fourier transform, or with sign -1 by the inverse.
func (f *fourier) dft(re, im, scratch []float64, sign float64) {
	h, w := f.of.Height, f.of.Width
	lines(re, im, scratch, f.across, h, w, w, 1, sign)
	lines(re, im, scratch, f.down, w, h, 1, w, sign)
	scale := inverseRoot(h * w)
	for i := range re {
		re[i] *= scale
		im[i] *= scale
	}
}

// lines transforms lines of n elements that are step apart. Line i begins at i·apart.
func lines(re, im, scratch []float64, roots []complex128, count, n, apart, step int, sign float64) {
	for line := range count {
		at := line * apart
		for k := range n {
			var a, b float64
			root := 0
			for j := range n {
				c, s := real(roots[root]), sign*imag(roots[root])
				x, y := re[at+j*step], im[at+j*step]
				a += float64(c*x) - float64(s*y)
				b += float64(s*x) + float64(c*y)
				if root += k; root >= n {
					root -= n
				}
			}
			scratch[2*k], scratch[2*k+1] = a, b
		}
		for k := range n {
			re[at+k*step], im[at+k*step] = scratch[2*k], scratch[2*k+1]
		}
	}
}

// Hadamard measures coefficients of the orthonormal Walsh-Hadamard transform. Its length n is the largest power of two
// that divides dim, at least 2. If dim is larger, the samples are dim/n interleaved blocks: block i has the elements i,
// i + dim/n, i + 2·dim/n, and so on. Coefficients are numbered like elements.
func Hadamard(dim int, coefficients []int) (*Operator, error) {
	length := dim & -dim
	if length < 2 {
		return nil, &sampling.FieldError{
			Field: "hadamard", Given: fmt.Sprintf("set for samples of %d elements", dim),
			Want: "an even number of elements",
		}
	}
	return choose(hadamard{length, dim / length}, dim, coefficients, "hadamard.coefficients")
}

type hadamard struct{ length, blocks int }

func (h hadamard) forward(x []float64, _ *sampling.Work) {
	for half := 1; half < h.length; half *= 2 {
		for i := range h.length {
			if i&half != 0 {
				continue
			}
			for b := range h.blocks {
				p, q := i*h.blocks+b, (i+half)*h.blocks+b
				x[p], x[q] = x[p]+x[q], x[p]-x[q]
			}
		}
	}
	scale := inverseRoot(h.length)
	for i := range x {
		x[i] *= scale
	}
}

func (h hadamard) inverse(x []float64, work *sampling.Work) { h.forward(x, work) }
