package main

import (
	"context"
	"os"
	"testing"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/client/fake"
	"github.com/langevin-ml/langevin/internal/cli"
)

// pets is a fake model of a table.
func pets() client.Model {
	return client.Model{
		Name: "pets", Version: 1, State: client.ModelReady, Shape: []int{2}, Table: []client.Column{
			{Name: "height", Kind: client.ColumnNumber, Width: 1},
			{Name: "kind", Kind: client.ColumnCategory, Words: []string{"cat", "dog"}, Width: 2},
		},
	}
}

// TestImputeEmptyRows: the output has a row for each row of the file, in order and for each draw. Rows without values
// are drawn without a measurement.
func TestImputeEmptyRows(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("gaps.csv", []byte("height,kind,name\n,,\n170,cat,a\n\n,dog,b\n,,\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	measured := map[uint64]int{} // how many values, by the first chain
	draw := fake.Samples([]int{2}, func(chain uint64) []float32 { return []float32{float32(chain), 1} })
	asked := make(chan client.SampleRequest, 9)
	got := langevin(t, fake.Script{Models: []client.Model{pets()}, Sample: func(ctx context.Context,
		req client.SampleRequest, emit func(client.Event) error) error {
		asked <- req
		return draw(ctx, req, emit)
	}}, "impute", "gaps.csv", "--model", "pets", "--draws", "2", "--seed", "1")
	close(asked)
	for req := range asked {
		measured[req.FirstChain] = 0
		if req.Measurement != nil {
			measured[req.FirstChain] = len(req.Measurement.Values)
		}
	}
	const want = "draw,height,kind,name\n1,0,dog,\n1,170,cat,a\n1,4,dog,b\n1,6,dog,\n" +
		"2,1,dog,\n2,170,cat,a\n2,5,dog,b\n2,7,dog,\n"
	if got.code != cli.ExitOK || got.stdout != want || len(measured) != 3 || measured[0] != 0 || measured[4] != 1 ||
		measured[6] != 0 {
		t.Errorf("%+v, want %q; measured %v", got, want, measured)
	}
}
