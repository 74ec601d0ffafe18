package linear

import (
	"fmt"
	"math"
	"math/cmplx"

	"github.com/langevin-ml/langevin/sampling"
)

// Kernel is a blur's: element (i, j) weighs the element that is i - Height/2 below and j - Width/2 to the right.
type Kernel struct {
	Height, Width int // at least 1, and at most those of the samples
	Values        []float64
}

func (k Kernel) check(of Shape) error {
	refuse := func(given, want string) error {
		return &sampling.FieldError{Field: "blur.kernel", Given: given, Want: want}
	}
	switch {
	case k.Height < 1 || k.Width < 1 || len(k.Values) != k.Height*k.Width:
		return refuse(fmt.Sprintf("%d elements for %d × %d", len(k.Values), k.Height, k.Width), "a rectangle")
	case k.Height > of.Height || k.Width > of.Width:
		return refuse(fmt.Sprintf("%d × %d", k.Height, k.Width), fmt.Sprintf("at most %d × %d, as the samples",
			of.Height, of.Width))
	}
	zero := true
	for i, v := range k.Values {
		if v-v != 0 {
			return refuse(fmt.Sprintf("%g at element %d", v, i), "finite numbers")
		}
		zero = zero && v == 0
	}
	if zero {
		return refuse("all 0", "at least one number other than 0")
	}
	return nil
}

// Blur measures every channel after it is weighed by a kernel. Beyond its edges the picture goes on at the opposite
// edge. Any kernel will do.
func Blur(of Shape, kernel Kernel) (*Operator, error) {
	if err := kernel.check(of); err != nil {
		return nil, err
	}
	if err := of.checkFourier("blur"); err != nil {
		return nil, err
	}
	if work := float64(of.Height*of.Width) * float64(len(kernel.Values)); work > MaxBlurWork {
		return nil, &sampling.FieldError{
			Field: "blur.kernel",
			Given: fmt.Sprintf("%d elements for %d × %d", len(kernel.Values), of.Height, of.Width),
			Want:  fmt.Sprintf("elements of kernel times picture of at most %d", MaxBlurWork),
		}
	}
	spectrum := newFourier(of)
	gains := spectrum.response(kernel)
	top := 0.0
	phases := make([]complex128, len(gains))
	for i, g := range gains {
		top = max(top, cmplx.Abs(g))
		if phases[i] = 1; g != 0 {
			phases[i] = g / complex(cmplx.Abs(g), 0)
		}
	}
	var slots []int
	var singular []float64
	for i := range of.Dim() {
		if s := cmplx.Abs(gains[i%len(gains)]); s > smallest*top {
			slots, singular = append(slots, i), append(singular, s)
		}
	}
	turned := newFourier(of)
	turned.forwardPhases = phases
	return &Operator{
		dim: of.Dim(), size: of.Dim(), singular: singular,
		right: &selected{spectrum, of.Dim(), slots}, left: &selected{turned, of.Dim(), slots},
	}, nil
}

// response returns the factor by which a blur multiplies every frequency of a channel.
func (f *fourier) response(k Kernel) []complex128 {
	gains := make([]complex128, f.of.Height*f.of.Width)
	for i := range gains {
		u, v := i/f.of.Width, i%f.of.Width
		for at, value := range k.Values {
			down, across := at/k.Width-k.Height/2, at%k.Width-k.Width/2
			turn := cmplx.Conj(f.down[mod(u*down, f.of.Height)] * f.across[mod(v*across, f.of.Width)])
			gains[i] += complex(value, 0) * turn
		}
	}
	for i := range gains { // exact conjugates, so that both slots of a pair have one singular value
		if p := f.partner(i); p == i {
			gains[i] = complex(real(gains[i]), 0)
		} else if i < p {
			gains[p] = cmplx.Conj(gains[i])
		}
	}
	return gains
}

func mod(a, n int) int { return (a%n + n) % n }

// SeparableBlur is Blur for a picture that is 0 beyond its edges. The kernel must be the product of a column and a row.
func SeparableBlur(of Shape, kernel Kernel) (*Operator, error) {
	if err := kernel.check(of); err != nil {
		return nil, err
	}
	if of.Height > MaxBlurAxis || of.Width > MaxBlurAxis {
		return nil, &sampling.FieldError{
			Field: "blur", Given: fmt.Sprintf("set for samples of %d × %d", of.Height, of.Width),
			Want: fmt.Sprintf("at most %d × %d with the edge EDGE_ZERO, or the edge EDGE_WRAP", MaxBlurAxis,
				MaxBlurAxis),
		}
	}
	column, row, ok := kernel.factors()
	if !ok {
		return nil, &sampling.FieldError{
			Field: "blur.kernel", Given: "not the product of a column and a row",
			Want: "such a product, or the edge EDGE_WRAP",
		}
	}
	downU, downS, downV := decompose(banded(column, of.Height))
	acrossU, acrossS, acrossV := decompose(banded(row, of.Width))
	left, right := &product{of: of, down: downU, across: acrossU}, &product{of: of, down: downV, across: acrossV}
	top := 0.0
	for _, a := range downS {
		for _, b := range acrossS {
			top = max(top, a*b)
		}
	}
	o := &Operator{dim: of.Dim(), size: of.Dim(), left: left, right: right}
	for range of.Channels {
		for i, a := range downS {
			for j, b := range acrossS {
				if keep := a*b > smallest*top; keep {
					o.singular = append(o.singular, a*b)
				}
				left.kept = append(left.kept, downS[i]*acrossS[j] > smallest*top)
			}
		}
	}
	right.kept = left.kept
	return o, nil
}

// factors returns the column and the row whose product the kernel is, if there are such.
func (k Kernel) factors() (column, row []float64, ok bool) {
	largest := 0
	for i, v := range k.Values {
		if math.Abs(v) > math.Abs(k.Values[largest]) {
			largest = i
		}
	}
	at, pivot := largest/k.Width, k.Values[largest]
	row = k.Values[at*k.Width : (at+1)*k.Width]
	for i := range k.Height {
		column = append(column, k.Values[i*k.Width+largest%k.Width]/pivot)
	}
	for i, v := range k.Values {
		if math.Abs(v-column[i/k.Width]*row[i%k.Width]) > smallest*math.Abs(pivot) {
			return nil, nil, false
		}
	}
	return column, row, true
}

// banded returns the matrix of a blur of n elements along one axis, its rows as columns.
func banded(weights []float64, n int) *dense {
	a := &dense{n, make([]float64, n*n)}
	for i := range n {
		for k, w := range weights {
			if from := i + k - len(weights)/2; from >= 0 && from < n {
				a.data[i*n+from] = w
			}
		}
	}
	return a
}

// product is the basis of the products of the columns of two bases, down and across a picture, for every channel.
type product struct {
	of           Shape
	down, across *dense
	kept         []bool // which products belong to the basis; by channel, column of down, column of across
}

func (p *product) coordinates(c, x []float64, work *sampling.Work) {
	h, w, n, m := p.of.Height, p.of.Width, p.down.columns(), p.across.columns()
	half, kept := work.Floats(0, h*m), 0
	for channel := range p.of.Channels {
		picture := x[channel*h*w : (channel+1)*h*w]
		for i := range h {
			p.across.coordinates(half[i*m:(i+1)*m], picture[i*w:(i+1)*w], work)
		}
		for i := range n {
			for j := range m {
				if !p.kept[(channel*n+i)*m+j] {
					continue
				}
				var sum float64
				for k, v := range p.down.column(i) {
					sum += float64(v * half[k*m+j])
				}
				c[kept] = sum
				kept++
			}
		}
	}
}

func (p *product) spread(x, c []float64, work *sampling.Work) {
	h, w, n, m := p.of.Height, p.of.Width, p.down.columns(), p.across.columns()
	half, kept := work.Floats(0, h*m), 0
	for channel := range p.of.Channels {
		clear(half)
		for i := range n {
			for j := range m {
				if !p.kept[(channel*n+i)*m+j] {
					continue
				}
				for k, v := range p.down.column(i) {
					half[k*m+j] += float64(v * c[kept])
				}
				kept++
			}
		}
		for i := range h {
			p.across.spread(x[(channel*h+i)*w:(channel*h+i+1)*w], half[i*m:(i+1)*m], work)
		}
	}
}
