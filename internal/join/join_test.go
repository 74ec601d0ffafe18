package join

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/datafile"
)

// TestJoin: parts are put together by their numbers, not by the order of their names, and the result is the file of one
// run, byte for byte.
func TestJoin(t *testing.T) {
	folder := t.TempDir()
	whole := client.Batch{Shape: []int{2}}
	var paths []string
	for _, index := range []int{10, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9} {
		paths = append(paths, filepath.Join(folder, fmt.Sprintf("part-%d.npy", index)))
	}
	for index := range 11 {
		part := client.Batch{X: []float32{float32(index), -1, 0.5, float32(index)}, N: 2, Shape: []int{2}}
		write(t, filepath.Join(folder, fmt.Sprintf("part-%d.npy", index)), part)
		whole.X = append(whole.X, part.X...)
		whole.N += part.N
	}
	out, want := filepath.Join(folder, "all.npy"), filepath.Join(folder, "want.npy")
	write(t, want, whole)
	var said strings.Builder
	if err := run(cli.New(&said, &said), paths, whole.N, out); err != nil {
		t.Fatal(err)
	}
	if a, b := content(t, out), content(t, want); a != b {
		t.Errorf("%d bytes differ from the %d of one run", len(a), len(b))
	}
	if !strings.Contains(said.String(), "22 rows of 11 parts") {
		t.Errorf("said %q", said.String())
	}
}

// TestJoinNames: parts with names of columns and words are put together as they are, with the names once, and parts of
// other columns or with ragged rows are refused.
func TestJoinNames(t *testing.T) {
	folder := t.TempDir()
	out := filepath.Join(folder, "all.csv")
	join := func(rows int, contents ...string) (string, error) {
		for i, text := range contents {
			path := filepath.Join(folder, fmt.Sprintf("part-%d.csv", i))
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		var said strings.Builder
		os.Remove(out)
		err := run(cli.New(&said, &said), []string{filepath.Join(folder, "part-*.csv")}, rows, out)
		return said.String(), err
	}
	const names = "width,kind\n"
	said, err := join(4, names+"1.50,\"a, b\"\n", names+"0,a\n", names+"2,c\n3,d")
	if want := names + "1.50,\"a, b\"\n0,a\n2,c\n3,d\n"; err != nil || content(t, out) != want {
		t.Fatalf("%v, %q, want %q", err, content(t, out), want)
	}
	if !strings.Contains(said, "4 rows of 3 parts") {
		t.Errorf("said %q", said)
	}
	for second, want := range map[string]string{
		"width,sort\n2,c\n":   "want the same names of columns",
		"2,c\n":               "want the same names of columns",
		names + "2,c\n3\n":    "line 3 has 1 fields: want the 2",
		names + "2,c\n\x00\n": "line 3 has",
		names:                 "want the 3 of -n, so parts are missing",
	} {
		_, err := join(3, names+"1,a\n", second, names+"2,b\n")
		if _, there := os.Stat(out); err == nil || !strings.Contains(err.Error(), want) || there == nil {
			t.Errorf("%q: %v, want %q; a file is there: %v", second, err, want, there == nil)
		}
	}
}

func TestJoinRefuses(t *testing.T) {
	folder := t.TempDir()
	in := func(name string) string { return filepath.Join(folder, name) }
	first, second, out := in("p-0.npy"), in("p-1.npy"), in("all.npy")
	write(t, first, client.Batch{X: []float32{1, 2}, N: 1, Shape: []int{2}})
	write(t, second, client.Batch{X: []float32{1, 2, 3}, N: 1, Shape: []int{3}})
	err := run(cli.New(os.Stderr, os.Stderr), []string{in("p-*.npy")}, 2, out)
	if _, there := os.Stat(out); err == nil || !strings.Contains(err.Error(), "parts of one job") || there == nil {
		t.Errorf("other shapes: %v, file there: %v", err, there == nil)
	}
}

// TestJoinIncomplete: only the parts of one job of the given size are joined, and no part is written over.
func TestJoinIncomplete(t *testing.T) {
	folder := t.TempDir()
	in := func(name string) string { return filepath.Join(folder, name) }
	rows := func(first, n int) client.Batch {
		b := client.Batch{N: n, Shape: []int{1}}
		for i := range n {
			b.X = append(b.X, float32(first+i))
		}
		return b
	}
	for k, first := range []int{0, 66, 133} { // 200 rows in three parts
		write(t, in(fmt.Sprintf("p-%d.npy", k)), rows(first, []int{66, 67, 67}[k]))
	}
	write(t, in("copy-0.npy"), rows(0, 100))
	write(t, in("copy-1.npy"), rows(0, 100))
	write(t, in("cut-0.npy"), rows(0, 101))
	write(t, in("cut-1.npy"), rows(101, 99))
	before := content(t, in("p-0.npy"))
	for _, tt := range []struct {
		files string
		n     int
		out   string
		says  string
	}{
		{"p-0 p-1", 200, "x", "have 133 rows: want the 200 of -n, so parts are missing"},
		{"p-1 p-2", 200, "x", "have 134 rows: want the 200 of -n, so parts are missing"},
		{"p-0 p-1 p-2", 199, "x", "have 200 rows: want the 199 of -n, so some are of another job"},
		{"copy-0 copy-1", 200, "x", "one is a copy of the other"},
		{"cut-0 cut-1", 200, "x", "has 101 rows: want 100, as part 0 of 2"},
		{"p-0 p-1 p-2", 0, "x", "-n is missing"},
		{"p-*", 200, "p-0", "which is one of the parts"},
		{"p-0 p-1 p-2", 200, "x", ""},
	} {
		var paths []string
		for _, name := range strings.Fields(tt.files) {
			paths = append(paths, in(name+".npy"))
		}
		var said strings.Builder
		err := run(cli.New(&said, &said), paths, tt.n, in(tt.out+".npy"))
		if tt.says == "" && err != nil || tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says)) {
			t.Errorf("%s of %d: %v, want %q", tt.files, tt.n, err, tt.says)
		}
	}
	if content(t, in("p-0.npy")) != before {
		t.Error("a part was written over")
	}
}

func write(t *testing.T, path string, b client.Batch) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := datafile.WriteNPY(f, b); err != nil {
		t.Fatal(err)
	}
}

func content(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
