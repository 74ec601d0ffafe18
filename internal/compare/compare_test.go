package compare

import (
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/datafile"
)

func TestCompare(t *testing.T) {
	folder := t.TempDir()
	write := func(name string, n int, x ...float32) string {
		path := filepath.Join(folder, name)
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		encode := datafile.WriteNPY
		if filepath.Ext(name) == ".csv" {
			encode = datafile.WriteCSV
		}
		if err := encode(f, client.Batch{X: x, N: n, Shape: []int{len(x) / n}}); err != nil {
			t.Fatal(err)
		}
		return path
	}
	same := write("a.npy", 2, 1, 0.1, 3, 4)
	negative := float32(math.Copysign(0, -1))
	for _, tt := range []struct{ other, says, fails string }{
		{write("same.npy", 2, 1, 0.1, 3, 4), "the same 4 numbers of shape [2 2]", ""},
		{write("same.csv", 2, 1, 0.1, 3, 4), "the same 4 numbers of shape [2 2]", ""},
		{write("b.npy", 2, 1, 0.1, math.Nextafter32(3, 4), 4), "", "element 0 of row 1 is 3 in "},
		{write("c.npy", 1, 1, 0.1, 3, 4), "", "has shape [2 2] and "},
		{filepath.Join(folder, "none.npy"), "", "none.npy"},
	} {
		var said strings.Builder
		err := run(cli.New(&said, &said), same, tt.other)
		if (err == nil) != (tt.fails == "") || err != nil && !strings.Contains(err.Error(), tt.fails) ||
			!strings.Contains(said.String(), tt.says) {
			t.Errorf("%s: said %q, %v; want %q, %q", filepath.Base(tt.other), said.String(), err, tt.says, tt.fails)
		}
	}
	for _, tt := range []struct {
		code int
		args []string
	}{
		{cli.ExitOK, []string{same, same}},
		{cli.ExitFailed, []string{same, filepath.Join(folder, "b.npy")}},
		{cli.ExitTrouble, []string{same, filepath.Join(folder, "none.npy")}},
		{cli.ExitTrouble, []string{filepath.Join(folder, "none.npy"), same}},
		{cli.ExitUsage, []string{same}},
	} {
		p := cli.New(io.Discard, io.Discard)
		if code := p.Run(t.Context(), Command(p), tt.args); code != tt.code {
			t.Errorf("%v: exit code %d, want %d", tt.args, code, tt.code)
		}
	}
	zero, minus := write("zero.npy", 1, 0), write("minus.npy", 1, negative)
	if err := run(cli.New(os.Stderr, os.Stderr), zero, minus); err == nil {
		t.Error("0 and -0 are the same bits")
	}
}
