package web

import (
	"google.golang.org/protobuf/reflect/protoreflect"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// rows reads nested arrays of numbers, the short form of a tensor. An array of strings has pictures, as in answers.
func (r *reader) rows(m protoreflect.Message) error {
	tensor, ok := m.Interface().(*langevinv1.Tensor)
	if !ok {
		return r.wrong("an object")
	}
	a := &arrays{reader: r, tensor: tensor}
	if err := a.array(0); err != nil {
		return err
	}
	if len(a.sizes) > 1 {
		tensor.Shape = a.sizes
	}
	return nil
}

// arrays reads nested arrays. All arrays of one depth must have the same size, and only the deepest have numbers.
type arrays struct {
	*reader
	tensor *langevinv1.Tensor
	sizes  []int64 // at every depth, the size of its first array; -1 until that has ended
	deep   bool    // the depth of the numbers is known
}

// mostDepth is above the number of axes of every model.
const mostDepth = 16

// array reads the array at a depth.
func (a *arrays) array(depth int) error {
	if depth == len(a.sizes) {
		if a.deep || depth == mostDepth {
			return a.uneven()
		}
		a.sizes = append(a.sizes, -1)
	}
	if err := a.token(); err != nil {
		return err
	}
	n := int64(0)
	for ; a.peek() != ']'; n++ {
		if a.sizes[depth] == n {
			return a.uneven()
		}
		if err := a.element(depth, n); err != nil {
			return err
		}
	}
	switch {
	case a.sizes[depth] < 0:
		a.sizes[depth] = n
	case a.sizes[depth] != n:
		return a.uneven()
	}
	a.deep = a.deep || depth == len(a.sizes)-1 // an empty array
	return a.token()
}

// element reads an element of the array at a depth.
func (a *arrays) element(depth int, index int64) error {
	switch kind := a.peek(); {
	case kind == '[' && len(a.tensor.GetPng()) == 0:
		return a.array(depth + 1)
	case kind == '"' && depth == 0 && len(a.sizes) == 1 && len(a.tensor.GetPng()) == int(index):
		picture, err := a.bytes()
		a.tensor.Png = append(a.tensor.Png, picture)
		return err
	case kind != '0' || depth != len(a.sizes)-1 || len(a.tensor.GetPng()) > 0:
		return a.uneven()
	}
	a.deep = true
	v, err := a.float(32)
	a.tensor.Values = append(a.tensor.Values, float32(v))
	return err
}

// uneven refuses the arrays, unless they are not JSON.
func (a *arrays) uneven() error {
	if a.peek() == 0 {
		_, err := a.raw() // which says what is wrong
		return err
	}
	place := a.place()
	return invalid(place, "%s: want rows of numbers, all of one length", nameOr(place, "the request"))
}
