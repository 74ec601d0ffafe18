package web

import (
	"strconv"

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
		if depth == mostDepth {
			return a.wrong("at most 16 axes")
		}
		a.sizes = append(a.sizes, -1)
	}
	if err := a.token(); err != nil {
		return err
	}
	n, size := int64(0), a.sizes[depth]
	for ; a.peek() != ']'; n++ {
		if n == size {
			return a.uneven("more than "+strconv.FormatInt(n, 10), size)
		}
		err := a.within(segment{index: int(n)}, func() error { return a.element(depth, n) })
		if err != nil {
			return err
		}
	}
	if size >= 0 && n != size {
		return a.uneven(strconv.FormatInt(n, 10), size)
	}
	a.sizes[depth] = n
	a.deep = a.deep || depth == len(a.sizes)-1 // an empty array
	return a.token()
}

// element reads an element of the array at a depth.
func (a *arrays) element(depth int, index int64) error {
	deepest := depth == len(a.sizes)-1
	switch kind := a.peek(); {
	case len(a.tensor.GetPng()) > 0 && kind != '"':
		return a.wrong("a picture, as the first")
	case kind == '"' && depth == 0 && deepest && len(a.tensor.GetPng()) == int(index):
		picture, err := a.bytes()
		a.tensor.Png = append(a.tensor.Png, picture)
		return err
	case kind == '[' && !(deepest && a.deep):
		return a.array(depth + 1)
	case !deepest:
		return a.wrong("an array, as the first")
	}
	a.deep = true
	v, err := a.floatOr(32, "a number; a category is the index of its word, from 0, in the columns that "+
		"GET /v1/models/NAME lists")
	a.tensor.Values = append(a.tensor.Values, float32(v))
	return err
}

// uneven refuses an array of another size than the first of its depth, unless it is not JSON.
func (a *arrays) uneven(n string, size int64) error {
	if a.peek() == 0 {
		_, err := a.raw() // which says what is wrong
		return err
	}
	return a.refuse("an array of "+n, "%d, as the first", size)
}
