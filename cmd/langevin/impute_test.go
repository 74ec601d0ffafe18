package main

import (
	"context"
	"os"
	"strings"
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

// TestImputeKeepsTexts: what the file has comes back to the letter, also what no model has room for.
func TestImputeKeepsTexts(t *testing.T) {
	t.Chdir(t.TempDir())
	m := pets()
	m.Shape, m.Table = []int{3}, append(m.Table, client.Column{
		Name: "planet", Kind: client.ColumnConstant, Values: []float64{7},
	})
	script := fake.Script{
		Models: []client.Model{m},
		Sample: fake.Samples(m.Shape, func(uint64) []float32 { return []float32{1.5, 1, 7} }),
	}
	for name, c := range map[string]struct{ text, want, said string }{
		"texts": {
			",height,code,draw,code\n0,1.50,007,1e400,NA\n" +
				"#1,,+49301234,9007199254740993,\"  keep  \"\n2,1E2,1_000,inf,x\n",
			"draw_2,,height,code,draw,code_2,kind,planet\n1,0,1.50,007,1e400,NA,dog,7\n" +
				"1,#1,1.5,+49301234,9007199254740993,\"  keep  \",dog,7\n1,2,1E2,1_000,inf,x,dog,7\n" +
				"2,0,1.50,007,1e400,NA,dog,7\n" +
				"2,#1,1.5,+49301234,9007199254740993,\"  keep  \",dog,7\n2,2,1E2,1_000,inf,x,dog,7\n",
			"langevin: x.csv: two columns are named \"code\": column 5 is called \"code_2\"\n" +
				"langevin: draw is the name of another column: that of the number of the draw is draw_2\n",
		},
		"decimal commas": {
			"height;kind;planet\n1,50;;7\n;cat;7\n",
			"draw;height;kind;planet\n1;1,50;dog;7\n1;1,5;cat;7\n2;1,50;dog;7\n2;1,5;cat;7\n", "",
		},
		"another planet": {
			"height,kind,planet\n1,,7\n2,dog,8.0\n",
			"draw,height,kind,planet\n1,1,dog,7\n1,2,dog,8.0\n2,1,dog,7\n2,2,dog,8.0\n",
			"line 3, column 3 (planet) is 8.0, and the data of the model have 7",
		},
	} {
		if err := os.WriteFile("x.csv", []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		got := langevin(t, script, "impute", "x.csv", "--model", "pets", "--draws", "2", "--seed", "1")
		if got.code != cli.ExitOK || got.stdout != c.want || !strings.Contains(got.stderr, c.said) {
			t.Errorf("%s: %+v, want %q", name, got, c.want)
		}
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
