package sample

import (
	"slices"
	"testing"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/internal/drawing"
)

// TestJoinGiven: a result that --resume completes has the condition of every chain, also of those that the state has.
func TestJoinGiven(t *testing.T) {
	given := client.Each{client.Class(3), client.ClassName("cat"), client.Unconditional{}}
	s := state{
		N: 3, Finished: 1, x: client.Batch{N: 1, Shape: []int{1}, X: []float32{7}},
		FollowedReport: drawing.NewFollowedReport(given, nil, nil, false),
	}
	res := &client.Result{Batch: client.Batch{N: 2, Shape: []int{1}, X: []float32{8, 9}}, Given: given[1:]}
	s.join(res)
	if each, _ := res.Given.(client.Each); !slices.Equal(each, given) || !slices.Equal(res.X, []float32{7, 8, 9}) {
		t.Errorf("joined to %v given %v, want 7, 8, 9 given %v", res.X, res.Given, given)
	}
}
