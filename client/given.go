package client

import (
	"fmt"
	"unicode/utf8"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// Given is what samples of a model are given: [Class], [ClassName], [Vector] or [Unconditional] for all chains or rows,
// or [Each]. A model says what it can be given, see [Client.Model].
type Given interface{ given() }

// Class is the index of a class, from 0 to the number of classes less one.
type Class int

// ClassName is the name of a class.
type ClassName string

// Vector is a condition of numbers, as an observation.
type Vector []float32

// Unconditional stands for no condition. The model must also have been trained without one.
type Unconditional struct{}

// Each has a condition for each chain or row, none of which is an Each.
type Each []Given

func (Class) given()         {}
func (ClassName) given()     {}
func (Vector) given()        {}
func (Unconditional) given() {}
func (Each) given()          {}

// GivenList returns the message of a condition in the API: no element if g is nil, one for all chains or rows, or one
// for each.
func GivenList(g Given) ([]*langevinv1.Given, error) {
	each, ok := g.(Each)
	switch {
	case g == nil:
		return nil, nil
	case !ok:
		w, err := givenMessage("given", g)
		return []*langevinv1.Given{w}, err
	case len(each) == 0:
		return nil, invalid("given", "given is an empty Each: want a condition for each")
	}
	list := make([]*langevinv1.Given, len(each))
	for i, g := range each {
		var err error
		if list[i], err = givenMessage(fmt.Sprintf("given[%d]", i), g); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// GivenOf is the inverse of [GivenList]. A condition that this client does not know is [Unconditional].
func GivenOf(list []*langevinv1.Given) Given {
	if len(list) == 0 {
		return nil
	}
	each := make(Each, len(list))
	for i, w := range list {
		switch c := w.GetCondition().(type) {
		case *langevinv1.Given_Class:
			each[i] = Class(c.Class)
		case *langevinv1.Given_ClassName:
			each[i] = ClassName(c.ClassName)
		case *langevinv1.Given_Vector:
			each[i] = Vector(c.Vector.GetValues())
		default:
			each[i] = Unconditional{}
		}
	}
	if len(each) == 1 {
		return each[0]
	}
	return each
}

// givenMessage returns the message of one condition, which is in the named field. No condition gives an empty message.
func givenMessage(field string, g Given) (*langevinv1.Given, error) {
	w := &langevinv1.Given{}
	switch g := g.(type) {
	case Class:
		class, err := toInt32(field+".class", int(g))
		w.Condition = &langevinv1.Given_Class{Class: class}
		return w, err
	case ClassName:
		if !utf8.ValidString(string(g)) {
			return nil, invalid(field+".class_name", "%s.class_name is %q: want UTF-8", field, string(g))
		}
		w.Condition = &langevinv1.Given_ClassName{ClassName: string(g)}
	case Vector:
		w.Condition = &langevinv1.Given_Vector{Vector: &langevinv1.Vector{Values: g}}
	case Each:
		return nil, invalid(field, "%s is an Each: want one condition", field)
	}
	return w, nil
}

// eachGiven checks that an Each has a condition for each of n chains or rows, and returns those from index first to
// before last. Other conditions stay as they are.
func eachGiven(g Given, n, first, last int) (Given, error) {
	each, ok := g.(Each)
	switch {
	case !ok:
		return g, nil
	case len(each) != n:
		return nil, invalid("given", "given has a condition for %d chains or rows: want one for all, or one for "+
			"each of the %d", len(each), n)
	}
	return each[first:last:last], nil
}

// Sum is the weighted sum of scores that chains follow: OwnWeight·s(x|Given), where s is the score of the request's
// model, plus Weight·s(x|Given) of each term. It is the score of the product of the densities, each to the power of its
// weight. A negative weight divides by a density. The weights must add up to more than 0.
type Sum struct {
	OwnWeight *float64 // finite; nil: 1
	Terms     []Term   // at most 8
}

// Term is a further score in a [Sum].
type Term struct {
	Model   string   // one whose samples have the same shape; empty: the request's own model
	Version int      // 0: the newest
	Given   Given    // nil: no condition
	Weight  *float64 // finite; nil: 1

	// Digest is the SHA-256 of the model's file, in hexadecimal. [Started] has it. If it is set, the server refuses a
	// model with another digest.
	Digest string
}

// setGiven sets the conditions of a request and what its chains follow.
func (r SampleRequest) setGiven(w *langevinv1.SampleRequest) error {
	n := max(1, r.N)
	given, err := eachGiven(r.Given, n, 0, n)
	if err != nil {
		return err
	}
	if w.Given, err = GivenList(given); err != nil {
		return err
	}
	w.GuidanceScale = r.GuidanceScale
	if r.Sum == nil {
		return nil
	}
	w.OwnWeight = r.Sum.OwnWeight
	for i, t := range r.Sum.Terms {
		term, err := t.wire(fmt.Sprintf("terms[%d].", i))
		if err != nil {
			return err
		}
		w.Terms = append(w.Terms, term)
	}
	return nil
}

func (t Term) wire(prefix string) (*langevinv1.Term, error) {
	version, err := toInt32(prefix+"version", t.Version)
	if err != nil {
		return nil, err
	}
	w := &langevinv1.Term{Model: t.Model, Version: version, Digest: t.Digest, Weight: t.Weight}
	if t.Given != nil {
		w.Given, err = givenMessage(prefix+"given", t.Given)
	}
	return w, err
}

// newSum returns the sum that a started call follows; nil if it has none.
func newSum(s *langevinv1.Started) *Sum {
	if s.OwnWeight == nil && len(s.GetTerms()) == 0 {
		return nil
	}
	sum := &Sum{OwnWeight: s.OwnWeight}
	for _, t := range s.GetTerms() {
		term := Term{Model: t.GetModel(), Version: int(t.GetVersion()), Digest: t.GetDigest(), Weight: t.Weight}
		if t.GetGiven() != nil {
			term.Given = GivenOf([]*langevinv1.Given{t.GetGiven()})
		}
		sum.Terms = append(sum.Terms, term)
	}
	return sum
}
