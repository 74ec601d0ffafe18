package eval

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/datafile"
	"github.com/langevin-ml/langevin/internal/drawing"
	"github.com/langevin-ml/langevin/internal/wholefile"
	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/training"
	"github.com/langevin-ml/langevin/training/data"
	"github.com/langevin-ml/langevin/training/eval"
)

// Images are told apart by their dataset, size and colour, not by how they were made to vary.
func TestSameData(t *testing.T) {
	for _, c := range []struct {
		description string
		config      data.Config
		want        bool
	}{
		{"mnist, dequantised uniform", data.Config{Name: data.MNIST, Dir: "x"}, true},
		{"mnist at 16 x 16, dequantised uniform", data.Config{Name: data.MNIST, Dir: "x", ImageSize: 16}, true},
		{"mnist at 16 x 16", data.Config{Name: data.MNIST, Dir: "x"}, false},
		{"mnist", data.Config{Name: data.MNIST, Dir: "x", ImageSize: 16}, false},
		{"images at 16 x 16 in grey, flipped at random", data.Config{Name: data.Pictures, Dir: "x", ImageSize: 16,
			Grey: true}, true},
		{"images at 16 x 16", data.Config{Name: data.Pictures, Dir: "x", ImageSize: 16, Grey: true}, false},
		{"fashion-mnist", data.Config{Name: data.MNIST, Dir: "x"}, false},
		{"2gauss, std 1", data.Config{Name: data.TwoGaussians, Std: 1}, true},
		{"2gauss, std 1", data.Config{Name: data.TwoGaussians, Std: 2}, false},
	} {
		if got := sameData(c.description, c.config); got != c.want {
			t.Errorf("%q and %s: %t, want %t", c.description, c.config, got, c.want)
		}
	}
}

// TestOwnRows: a model of rows of a file needs the file, and no preset.
func TestOwnRows(t *testing.T) {
	const csv = `{"preset":"toy-ring","data":"csv"}`
	table := []client.Column{{Name: "x", Kind: client.ColumnNumber}}
	for name, c := range map[string]struct {
		o        command
		training string
		table    []client.Column
		want     string
	}{
		"no file":  {command{}, csv, nil, "mine was trained on csv: want --data FILE, the file of these rows"},
		"no table": {command{}, `{"data":"table of 1 columns"}`, table, "want --data FILE"},
		"preset":   {command{dir: "x.csv", preset: "toy-ring"}, csv, nil, "want no --preset and no --set"},
		"comma":    {command{dir: "x.npy", comma: true}, csv, nil, "--decimal-comma is for models of tables"},
		"comma of a ring": {command{comma: true}, `{"preset":"toy-ring","data":"ring, 8 modes, radius 5, std 1"}`, nil,
			"--decimal-comma is for models of tables"},
		"classifier": {command{dir: "x.npy", classifier: "c.onnx"}, csv, nil,
			"--classifier and --neighbours are for models of pictures, and mine is none"},
		"a file":  {command{dir: "x.npy"}, csv, nil, ""},
		"a table": {command{dir: "x.csv", comma: true}, "", table, ""},
		"a ring":  {command{}, `{"preset":"toy-ring","data":"ring, 8 modes, radius 5, std 1"}`, nil, ""},
	} {
		m := client.Model{Name: "mine", Shape: []int{2}, Training: c.training, Table: c.table}
		_, err := c.o.config(m)
		if c.want == "" && err != nil || c.want != "" && !strings.Contains(fmt.Sprint(err), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// TestOwnPictures: a model of pictures that no preset has needs their folder or file, which is read as it was trained.
func TestOwnPictures(t *testing.T) {
	const described = "images at 8 x 8 in grey on white, with the classes of folders, dequantised uniform"
	file := filepath.Join(t.TempDir(), "x.npy")
	batch := client.Batch{X: make([]float32, 8*8), Shape: []int{8, 8, 1}, N: 1}
	if err := wholefile.Write(file, func(w io.Writer) error { return datafile.WriteNPY(w, batch) }); err != nil {
		t.Fatal(err)
	}
	folder := data.Config{Name: data.Pictures, ImageSize: 8, Grey: true, Background: "white", ClassFolders: true,
		Dir: "photos"}
	skipping := folder
	skipping.SkipBroken = true
	for name, c := range map[string]struct {
		o      command
		made   models.Training
		want   data.Config
		preset string // that the settings are of
		err    string
	}{
		"a folder": {command{dir: "photos"}, models.Training{Data: described}, folder, "", ""},
		"a preset with a folder": {command{dir: "photos"}, models.Training{Data: described, Preset: "toy-ring"}, folder,
			"", ""},
		"a setting": {command{dir: "photos", set: []string{"data.skip_broken=true"}}, models.Training{Data: described},
			skipping, "", ""},
		"an array": {command{dir: file}, models.Training{Data: "npy, dequantised uniform"},
			data.Config{Name: data.NPY, Dir: file, Layout: data.ChannelsLast}, "", ""},
		"nothing": {command{}, models.Training{Data: described}, data.Config{}, "",
			"mine was trained on " + described + ": want --data"},
		"digits": {command{dir: "x"}, models.Training{Data: "mnist"}, data.Config{Name: data.MNIST, Dir: "x"}, "", ""},
		"digits of a preset": {command{dir: "x"}, models.Training{Data: "mnist, dequantised uniform", Preset: "mnist"},
			data.Config{Name: data.MNIST, Dir: "x", Dequantize: data.DequantizeUniform}, "mnist", ""},
		"a preset that is named": {command{dir: "x", preset: "mnist"}, models.Training{Data: described}, data.Config{},
			"mnist", "and preset mnist means mnist"},
	} {
		made, err := json.Marshal(c.made)
		if err != nil {
			t.Fatal(err)
		}
		m := client.Model{Name: "mine", Shape: []int{1, 8, 8}, Training: string(made)}
		got, err := c.o.config(m)
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: %v, want %q", name, err, c.err)
			}
			continue
		}
		if diff := cmp.Diff(c.want, got.Data); diff != "" || err != nil || got.Preset != c.preset {
			t.Errorf("%s: %v, preset %q (-want +got):\n%s", name, err, got.Preset, diff)
		}
		if hasClassifier(got) != (c.preset != "") {
			t.Errorf("%s has a classifier: %t", name, hasClassifier(got))
		}
	}
}

// TestTableParts: the categories of a file become those of the model, in the model's order. An unknown one is named.
func TestTableParts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pets.csv")
	text := "kind,weight\n"
	for i := range 60 {
		text += fmt.Sprintf("%s,%d.5\n", []string{"dog", "cat"}[i%2], i*i%17)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	table := []client.Column{
		{Name: "weight", Kind: client.ColumnNumber, Decimals: 1},
		{Name: "kind", Kind: client.ColumnCategory, Words: []string{"newt", "dog", "cat"}},
	}
	o := &command{dir: path}
	judge := func() (*rowJudge, error) {
		m := client.Model{Name: "pets", Shape: []int{2}, Table: table}
		config, err := o.config(m)
		if err != nil {
			t.Fatal(err)
		}
		j, err := newRowJudge(t.Context(), cli.New(io.Discard, io.Discard), o, m, config.Data, asked{},
			training.Options{})
		if err != nil {
			return nil, err
		}
		return j.(*rowJudge), nil
	}
	j, err := judge()
	if err != nil {
		t.Fatal(err)
	}
	if j.train.Len() != 54 || j.test.Len() != 6 || j.columns.Width() != 4 {
		t.Fatalf("%d and %d rows of %d numbers, want 54, 6, 4", j.train.Len(), j.test.Len(), j.columns.Width())
	}
	for i := range j.train.Len() { // without the rows 9, 19, ..., row i is a dog if i is even
		row := j.train.Row(i)
		if dog := (i+i/9)%2 == 0; (row[2] > row[1]) != dog || (row[3] > row[1]) == dog {
			t.Errorf("row %d is %v, a dog: %v", i, row, dog)
		}
	}
	table[1].Words = []string{"dog", "newt"}
	if _, err := judge(); err == nil || !strings.Contains(err.Error(), `column "kind" is "cat": want`) {
		t.Errorf("an unknown category: %v", err)
	}
	table[1].Name = "sort"
	if _, err := judge(); err == nil || !strings.Contains(err.Error(), `no column "sort"`) {
		t.Errorf("an unknown column: %v", err)
	}
}

// TestFrontierSummary: means and standard deviations over seeds, and the points that no cheaper one beats.
func TestFrontierSummary(t *testing.T) {
	f := Frontier{N: 10}
	for _, r := range []struct {
		setting string
		nfe     int64
		seconds float64
		fid     float64
	}{
		{"few", 50, 2, 4}, {"few", 50, 4, 8}, {"middle", 100, 4, 7}, {"middle", 100, 4, 6}, {"many", 200, 9, 1},
		{"as few", 50, 9, 9},
	} {
		run := Run{Seed: uint64(len(f.Points)), NFE: r.nfe, Seconds: r.seconds,
			quality: quality{Metrics: []eval.Metric{{Name: "FID", Value: r.fid, Expected: 3}}}}
		f.add(drawing.Choice{Curve: "c", Setting: r.setting}, client.EDM{}, run, "FID")
	}
	want := map[string]Point{
		"few":    {Evaluations: 5, Seconds: Spread{Mean: 0.3, Deviation: math.Sqrt2 / 10}, Best: true},
		"middle": {Evaluations: 10, Seconds: Spread{Mean: 0.4}},
		"many":   {Evaluations: 20, Seconds: Spread{Mean: 0.9}, Best: true},
		"as few": {Evaluations: 5, Seconds: Spread{Mean: 0.9}},
	}
	for _, p := range f.Points {
		w := want[p.Setting]
		if p.Evaluations != w.Evaluations || math.Abs(p.Seconds.Mean-w.Seconds.Mean) > 1e-12 ||
			math.Abs(p.Seconds.Deviation-w.Seconds.Deviation) > 1e-12 || p.Best != w.Best {
			t.Errorf("%s is %+v, want %+v", p.Setting, p, w)
		}
	}
	if fid := f.Points[0].Measures["FID"]; fid != (Spread{6, 2 * math.Sqrt2, 3}) {
		t.Errorf("FID is %+v, want 6 ± √8", fid)
	}
	curves := f.curves()
	if len(curves) != 1 || curves[0][0].Setting != "few" || curves[0][3].Setting != "many" {
		t.Errorf("the curve is %+v", curves)
	}
}

// TestFrontierOfSeeds: a table of some seeds has their runs alone, and only the points that have all of them.
func TestFrontierOfSeeds(t *testing.T) {
	f := Frontier{N: 10}
	for _, r := range []struct {
		setting string
		seed    uint64
		fid     float64
	}{{"a", 1, 4}, {"a", 2, 8}, {"a", 7, 1}, {"b", 1, 5}, {"b", 2, 3}, {"c", 2, 1}} {
		run := Run{Seed: r.seed, NFE: 10, quality: quality{Metrics: []eval.Metric{{Name: "FID", Value: r.fid}}}}
		f.add(drawing.Choice{Curve: "c", Setting: r.setting}, client.EDM{}, run, "FID")
	}
	some, missing := f.of([]uint64{1, 2}, "FID")
	if missing != 1 || len(some.Points) != 2 {
		t.Fatalf("%d points, and %d that lack a seed: want 2 and 1", len(some.Points), missing)
	}
	a, b := some.Points[0], some.Points[1]
	if a.Measures["FID"].Mean != 6 || a.Best || b.Measures["FID"].Mean != 4 || !b.Best {
		t.Errorf("%+v and %+v: want 6, and the better 4", a, b)
	}
	if len(f.Points) != 3 || len(f.Points[0].Runs) != 3 || math.Abs(f.Points[0].Measures["FID"].Mean-13./3) > 1e-12 {
		t.Errorf("the whole frontier has changed: %+v", f)
	}
}
