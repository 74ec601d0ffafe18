package main

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/client/fake"
	"github.com/langevin-ml/langevin/internal/cli"
)

// TestGivenOfRows: the commands about rows ask with the condition that the flags say.
func TestGivenOfRows(t *testing.T) {
	writeFiles(t, map[string][]byte{"x.csv": []byte("0\n1\n2\n")})
	var got client.Given
	var scale *float64
	flowed := func(x []float32) *client.Flowed {
		return &client.Flowed{Batch: client.Batch{X: x, N: len(x), Shape: []int{1}}, NFE: make([]int64, len(x)),
			Model: "m", Version: 1, Digest: "d"}
	}
	script := fake.Script{
		Models: []client.Model{{Name: "m", Version: 1, State: client.ModelReady, Default: true, Shape: []int{1}}},
		Score: func(_ context.Context, r client.ScoreRequest) (*client.Scores, error) {
			got, scale = r.Given, r.GuidanceScale
			return &client.Scores{Batch: client.Batch{X: r.X, N: len(r.X), Shape: []int{1}}, Model: "m", Version: 1,
				Digest: "d"}, nil
		},
		Encode: func(_ context.Context, r client.EncodeRequest) (*client.Flowed, error) {
			got = r.Given
			return flowed(r.X), nil
		},
		Decode: func(_ context.Context, r client.DecodeRequest) (*client.Flowed, error) {
			got = r.Given
			return flowed(r.Latent), nil
		},
		LogLikelihood: func(_ context.Context, r client.LogLikelihoodRequest) (*client.LogLikelihoods, error) {
			got = r.Given
			return &client.LogLikelihoods{LogP: make([]float64, len(r.X)), NFE: make([]int64, len(r.X)), Model: "m",
				Version: 1, Digest: "d"}, nil
		},
	}
	for line, want := range map[string]client.Given{
		"encode --in x.csv --class 2":            client.Class(2),
		"decode --in x.csv --given-vector 1,0.5": client.Vector{1, 0.5},
		"likelihood --in x.csv --class cat,0": client.Each{
			client.ClassName("cat"), client.Class(0), client.ClassName("cat"),
		},
		"likelihood --in x.csv --class 0..1 --first-chain 1": client.Each{
			client.Class(1), client.Class(0), client.Class(1),
		},
		`score --in x.csv --sigma 1 --class "a,b"`:                     client.ClassName("a,b"),
		`score --in x.csv --sigma 1 --class "0..3" --guidance-scale 3`: client.ClassName("0..3"),
		"encode --in x.csv": nil,
	} {
		out := langevin(t, script, strings.Fields(line)...)
		if diff := cmp.Diff(want, got); out.code != cli.ExitOK || diff != "" {
			t.Errorf("%s: %+v (-want +got):\n%s", line, out, diff)
		}
		if scaled := strings.Contains(line, "scale"); scaled && (scale == nil || *scale != 3) {
			t.Errorf("%s: guidance scale %v", line, scale)
		}
	}
}

// TestSpareClasses: a list of classes is checked as a whole, also what the chains of a call leave unused.
func TestSpareClasses(t *testing.T) {
	named := &client.ModelCondition{Classes: 3, Names: []string{"cat", "dog", "eel"}}
	script := fake.Script{
		Models: []client.Model{{Name: "m", Version: 1, Shape: []int{2}, Condition: named}}, Sample: points(),
	}
	for list, want := range map[string]string{
		"0..2":           "",
		"cat,2,dog":      "",
		"0,1,3":          "--class is 0,1,3: m has no class 3: want an index from 0 to 2 or one of cat, dog, eel",
		"0,1,hen":        "--class is 0,1,hen: m has no class hen: want an index",
		"cat..eel":       `--class is cat..eel: want a range of indices as 0..9, or the name in quotes: '"cat..eel"'`,
		"0..99999999999": `want a range of indices as 0..9, or the name in quotes: '"0..99999999999"'`,
		"0..2..1":        `want a range of indices as 0..9`,
		`0,1,"cat,0"`:    `m has no class cat,0: want an index`,
	} {
		got := langevin(t, script, "sample", "m", "-n", "2", "--class", list)
		const note = "langevin: 2 chains: only the first 2 of the 3 classes of --class are drawn\n"
		if want == "" && (got.code != cli.ExitOK || !strings.Contains(got.stderr, note)) ||
			want != "" && (got.code != cli.ExitUsage || !oneLineWith(got.stderr, want)) {
			t.Errorf("%s: %+v, want %q", list, got, want)
		}
	}
	for _, line := range []string{"-n 3", "-n 2 --first-chain 0", "-n 4 --seed 1 --shard 0/4"} {
		got := langevin(t, script, append([]string{"sample", "m", "--class", "0..2"}, strings.Fields(line)...)...)
		if got.code != cli.ExitOK || strings.Contains(got.stderr, "only the first") {
			t.Errorf("%s: %+v, want no note", line, got)
		}
	}
}
