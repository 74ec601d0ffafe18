package rpc_test

import (
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// TestShapes: every tensor of every request is refused, by the name of its shape, if the shape is not that of its
// elements. Without a shape it is good.
func TestShapes(t *testing.T) {
	s := start(t)
	b := breaker{t: t, parts: s.parts(t)}
	for _, c := range s.calls() {
		b.call = c
		b.walk(place{root: c.request}, func(p place) {
			tensor, ok := p.in(p.root).Interface().(*langevinv1.Tensor)
			if !ok {
				return
			}
			b.accepted(p)
			n := int64(len(tensor.GetValues()))
			for _, shape := range [][]int64{
				{n + 1}, {1, n + 1}, {2, n}, {0}, {-1}, {-1, n}, {-1, -n}, {100_000_000_000}, {3, 5},
				{4, 1<<62 + n/4}, {1 << 32, 1 << 32, n},
			} {
				broken := proto.Clone(p.root)
				p.in(broken).Interface().(*langevinv1.Tensor).Shape = shape
				if got := servedFields(t, c.do(t.Context(), broken)); !slices.Contains(got, p.name("shape")) {
					t.Errorf("%s of %d elements with shape %v: refused for %q", p.name(""), n, shape, got)
				}
			}
		})
	}
}
