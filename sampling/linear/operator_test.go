package linear

import (
	"errors"
	"fmt"
	"math"
	"math/cmplx"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/langevin-ml/langevin/sampling"
)

// operators returns one operator of every kind, each with a second implementation of A x that knows no decomposition.
func operators(t *testing.T) map[string]struct {
	op     *Operator
	direct func(x []float64) []float64
} {
	t.Helper()
	type pair = struct {
		op     *Operator
		direct func(x []float64) []float64
	}
	picture := Shape{2, 4, 6}
	pairs := map[string]pair{}
	add := func(name string, op *Operator, err error, direct func(x []float64) []float64) {
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		pairs[name] = pair{op, direct}
	}
	mask, err := Mask([]bool{false, true, true, false, true})
	add("mask", mask, err, func(x []float64) []float64 { return []float64{x[1], x[2], x[4]} })
	pool, err := Pool(picture, 2)
	add("pool", pool, err, func(x []float64) []float64 {
		y := make([]float64, 2*2*3)
		for i, v := range x {
			c, row, col := i/24, i%24/6, i%6
			y[(c*2+row/2)*3+col/2] += v / 4
		}
		return y
	})
	pooled, err := Pool(Shape{1, 1, 6}, 3)
	add("pool of a vector", pooled, err, func(x []float64) []float64 {
		return []float64{(x[0] + x[1] + x[2]) / 3, (x[3] + x[4] + x[5]) / 3}
	})
	grey, err := Grey(picture)
	add("grey", grey, err, func(x []float64) []float64 {
		y := make([]float64, 24)
		for i, v := range x {
			y[i%24] += v / 2
		}
		return y
	})
	full := []float32{1, 2, 3, 4, 5, -1, 0, 2, 0.5, 0, 0, 0, 1, 0, 1}
	matrix, err := Matrix(full, 5)
	add("matrix", matrix, err, func(x []float64) []float64 { return product32(full, x) })
	deficient := []float32{1, 2, 2, 4, 3, -1, 1, -3}
	low, err := Matrix(deficient, 2)
	add("matrix with more rows than columns", low, err, func(x []float64) []float64 { return product32(deficient, x) })
	twice := []float32{1, 2, 0, 2, 4, 0, 0, 0, 3}
	rank2, err := Matrix(twice, 3)
	add("matrix of rank 2 in 3", rank2, err, func(x []float64) []float64 { return product32(twice, x) })
	kernel := Kernel{3, 2, []float64{1, 2, 3, 0, -1, 0.5}}
	blur, err := Blur(picture, kernel)
	add("blur", blur, err, func(x []float64) []float64 { return convolve(picture, kernel, x, true) })
	box := Kernel{1, 3, []float64{1, 1, 1}}
	singular, err := Blur(picture, box)
	add("blur with zeros in its spectrum", singular, err, func(x []float64) []float64 {
		return convolve(picture, box, x, true)
	})
	gauss := Kernel{3, 3, []float64{1, 2, 1, 2, 4, 2, 3, 6, 3}}
	separable, err := SeparableBlur(picture, gauss)
	add("separable blur", separable, err, func(x []float64) []float64 { return convolve(picture, gauss, x, false) })
	slots := []int{0, 1, 5, 9, 14, 23, 24, 31, 47}
	fourier, err := Fourier(picture, slots)
	add("fourier", fourier, err, func(x []float64) []float64 { return fourierDirect(picture, slots, x) })
	vector, err := Fourier(Shape{1, 1, 5}, []int{0, 1, 4})
	add("fourier of a vector", vector, err, func(x []float64) []float64 {
		return fourierDirect(Shape{1, 1, 5}, []int{0, 1, 4}, x)
	})
	hadamards, err := Hadamard(12, []int{0, 4, 7, 11})
	add("hadamard", hadamards, err, func(x []float64) []float64 { return walsh(4, 3, []int{0, 4, 7, 11}, x) })
	return pairs
}

func product32(a []float32, x []float64) []float64 {
	y := make([]float64, len(a)/len(x))
	for i, v := range a {
		y[i/len(x)] += float64(v) * x[i%len(x)]
	}
	return y
}

func convolve(of Shape, k Kernel, x []float64, wrap bool) []float64 {
	y := make([]float64, len(x))
	for c := range of.Channels {
		for row := range of.Height {
			for col := range of.Width {
				for i, v := range k.Values {
					r, q := row+i/k.Width-k.Height/2, col+i%k.Width-k.Width/2
					if wrap {
						r, q = (r+of.Height)%of.Height, (q+of.Width)%of.Width
					}
					if r >= 0 && r < of.Height && q >= 0 && q < of.Width {
						y[(c*of.Height+row)*of.Width+col] += v * x[(c*of.Height+r)*of.Width+q]
					}
				}
			}
		}
	}
	return y
}

func fourierDirect(of Shape, slots []int, x []float64) []float64 {
	area := of.Height * of.Width
	y := make([]float64, len(slots))
	for n, slot := range slots {
		u, v := slot%area/of.Width, slot%of.Width
		first := min(u*of.Width+v, (of.Height-u)%of.Height*of.Width+(of.Width-v)%of.Width)
		self := (2*u)%of.Height == 0 && (2*v)%of.Width == 0
		var sum complex128
		for i := range area {
			turn := float64(first/of.Width*(i/of.Width))/float64(of.Height) +
				float64(first%of.Width*(i%of.Width))/float64(of.Width)
			sum += complex(x[slot/area*area+i], 0) * cmplx.Exp(complex(0, -2*math.Pi*turn))
		}
		sum /= complex(math.Sqrt(float64(area)), 0)
		switch {
		case self:
			y[n] = real(sum)
		case slot%area == first:
			y[n] = math.Sqrt2 * real(sum)
		default:
			y[n] = math.Sqrt2 * imag(sum)
		}
	}
	return y
}

// walsh uses that entry (i, j) of a Hadamard matrix is -1 to the number of bits that i and j share.
func walsh(length, blocks int, slots []int, x []float64) []float64 {
	y := make([]float64, len(slots))
	for n, slot := range slots {
		for j := range length {
			sign := 1.0
			for bits := slot / blocks & j; bits != 0; bits &= bits - 1 {
				sign = -sign
			}
			y[n] += sign * x[j*blocks+slot%blocks] / math.Sqrt(float64(length))
		}
	}
	return y
}

func random(r *rand.Rand, n int) []float64 {
	x := make([]float64, n)
	for i := range x {
		x[i] = r.NormFloat64()
	}
	return x
}

func near(t *testing.T, name string, got, want []float64) {
	t.Helper()
	for i := range want {
		if len(got) != len(want) || math.Abs(got[i]-want[i]) > 1e-9*max(1, math.Abs(want[i])) {
			t.Errorf("%s: %.12g, want %.12g", name, got, want)
			return
		}
	}
}

// TestOperators compares A x with its definition, A' with the transposed matrix, and checks that U and V have
// orthonormal columns.
func TestOperators(t *testing.T) {
	for name, test := range operators(t) {
		t.Run(name, func(t *testing.T) {
			op, r := test.op, rand.New(rand.NewPCG(1, 2))
			x, y, got := random(r, op.Dim()), random(r, op.Size()), make([]float64, op.Size())
			want := test.direct(x)
			if op.Apply(got, x); len(want) != op.Size() {
				t.Fatalf("size is %d, want %d", op.Size(), len(want))
			}
			near(t, "A x", got, want)
			back := make([]float64, op.Dim())
			op.Adjoint(back, y)
			transposed := make([]float64, op.Dim())
			for i := range transposed {
				unit := make([]float64, op.Dim())
				unit[i] = 1
				transposed[i] = dot(test.direct(unit), y)
			}
			near(t, "A'y", back, transposed)
			orthonormal(t, "V", op.right, op.Dim(), len(op.Singular()))
			if op.left != nil {
				orthonormal(t, "U", op.left, op.Size(), len(op.Singular()))
			}
		})
	}
}

func orthonormal(t *testing.T, name string, b basis, rows, columns int) {
	t.Helper()
	var work sampling.Work
	for j := range columns {
		unit, column, c := make([]float64, columns), make([]float64, rows), make([]float64, columns)
		unit[j] = 1
		b.spread(column, unit, &work)
		b.coordinates(c, column, &work)
		near(t, fmt.Sprintf("column %d of %s'%s", j, name, name), c, unit)
	}
}

// TestRank: dependent rows leave out their coordinate, and what cannot be measured has its density.
func TestRank(t *testing.T) {
	op := operators(t)["matrix of rank 2 in 3"].op
	if got := len(op.Singular()); got != 2 {
		t.Fatalf("rank %d, want 2", got)
	}
	// Rows 1 and 2 are (1, 2, 0) and twice that: of (y1, y2) only (y1 + 2 y2)/√5 depends on x.
	const std = 0.5
	m, err := op.Measurement([]float32{3, 1, 4}, std)
	if err != nil {
		t.Fatal(err)
	}
	e := (2*3 - 1) / math.Sqrt(5)
	want := -math.Log(2*math.Pi*std*std)/2 - e*e/(2*std*std)
	if math.Abs(m.Outside-want) > 1e-9 {
		t.Errorf("log density outside is %g, want %g", m.Outside, want)
	}
}

// TestRefusals: every mistake is a FieldError that names the field.
func TestRefusals(t *testing.T) {
	nan := float32(math.NaN())
	picture := Shape{1, 4, 6}
	gauss := Kernel{2, 2, []float64{1, 2, 3, 4}}
	mask, _ := Mask([]bool{true, false})
	measure := func(values []float32, std float64) error { _, err := mask.Measurement(values, std); return err }
	of := func(rows []float32, std float64, values ...float32) error {
		op, err := Matrix(rows, 2)
		if err != nil {
			t.Fatal(err)
		}
		_, err = op.Measurement(values, std)
		return err
	}
	for std, third := range map[float64]float32{0: 0.3, 1e-200: 0.3, 0.01: 9} { // 0.1, 0.2 and 0.3 are float32
		if err := of([]float32{1, 0, 0, 1, 1, 1}, std, 0.1, 0.2, third); err != nil {
			t.Errorf("values of a sample with noise of %g: %v", std, err)
		}
	}
	for name, test := range map[string]struct {
		err   error
		field string
	}{
		"empty mask":            {second(Mask(make([]bool, 3))), "mask"},
		"pool by 0":             {second(Pool(picture, 0)), "pool.factor"},
		"pool by 5":             {second(Pool(picture, 5)), "pool.factor"},
		"grey of grey":          {second(Grey(picture)), "grey"},
		"ragged matrix":         {second(Matrix(make([]float32, 5), 2)), "matrix.rows"},
		"no matrix":             {second(Matrix(nil, 2)), "matrix.rows"},
		"NaN in a matrix":       {second(Matrix([]float32{1, nan}, 2)), "matrix.rows"},
		"matrix of rank 0":      {second(Matrix(make([]float32, 4), 2)), "matrix.rows"},
		"kernel too large":      {second(Blur(picture, Kernel{5, 1, make([]float64, 5)})), "blur.kernel"},
		"kernel of 0":           {second(Blur(picture, Kernel{1, 1, []float64{0}})), "blur.kernel"},
		"ragged kernel":         {second(Blur(picture, Kernel{2, 2, []float64{1}})), "blur.kernel"},
		"inseparable":           {second(SeparableBlur(picture, gauss)), "blur.kernel"},
		"no coefficients":       {second(Fourier(picture, nil)), "fourier.coefficients"},
		"a coefficient twice":   {second(Fourier(picture, []int{3, 3})), "fourier.coefficients"},
		"coefficient too large": {second(Hadamard(8, []int{8})), "hadamard.coefficients"},
		"long edge":             {second(SeparableBlur(Shape{1, 1, 300}, Kernel{1, 1, []float64{1}})), "blur"},
		"large fourier":         {second(Fourier(Shape{1, 1000, 1000}, []int{1})), "fourier"},
		"odd hadamard":          {second(Hadamard(7, []int{1})), "hadamard"},
		"wrong number":          {measure([]float32{1, 2}, 1), "values"},
		"value of NaN":          {measure([]float32{nan}, 1), "values"},
		"negative noise":        {measure([]float32{1}, -1), "noise_std"},
		"infinite noise":        {measure([]float32{1}, math.Inf(1)), "noise_std"},
		"too much noise":        {measure([]float32{1}, 1e300), "noise_std"},
		"a row of 0":            {of([]float32{0, 0, 1, 1}, 0, 0.5, 1), "values"},
		"two values of one sum": {of([]float32{1, 1, 1, 1}, 0, 1, 2), "values"},
		"noise that is no more": {of([]float32{1, 1, 1, 1}, 1e-200, 1, 2), "values"},
		"noise of no use":       {of([]float32{1, 1, 1, 1}, 1e-160, 1, 2), "values"},
	} {
		var field *sampling.FieldError
		if !errors.As(test.err, &field) || field.Field != test.field || strings.Contains(test.err.Error(), "\n") ||
			strings.Contains(test.err.Error(), "is samples") {
			t.Errorf("%s: %v, want one line about %s", name, test.err, test.field)
		}
	}
}

func second(_ *Operator, err error) error { return err }
