package training

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/training/nn"
)

// TestStart: a training starts from the weights of the built-in model, or of the file, that it names. Written again,
// they are the weights in the file.
func TestStart(t *testing.T) {
	repository, err := models.NewRepository(models.Zoo(), "", models.Rules{})
	if err != nil {
		t.Fatal(err)
	}
	for name, shape := range map[string][]int{"ring": {2}, "mnist": {1, 28, 28}} {
		c := preset(t, map[string]string{"ring": "toy-ring", "mnist": "mnist"}[name])
		network, err := c.Network.Build(shape, mustSchedule(t, c).Sigmas())
		if err != nil {
			t.Fatal(err)
		}
		file, err := repository.Open(name, 0)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "copy.onnx")
		if err := os.WriteFile(path, file.Graph, 0o600); err != nil {
			t.Fatal(err)
		}
		stored := map[string]string{}
		model, err := models.Parse(file.Graph)
		if err != nil {
			t.Fatal(err)
		}
		for _, tensor := range model.GetGraph().GetInitializer() {
			stored[tensor.GetName()] = string(tensor.GetRawData())
		}
		for _, start := range []string{name, path} {
			c.Training.Start = start
			params, err := c.startParams(network)
			if err != nil {
				t.Fatal(err)
			}
			written, err := network.ONNX(name, params)
			if err != nil {
				t.Fatal(err)
			}
			for _, tensor := range written.GetGraph().GetInitializer() {
				if string(tensor.GetRawData()) != stored[tensor.GetName()] {
					t.Errorf("from %s: %s differs from the file", start, tensor.GetName())
				}
			}
		}
	}
	c := short(t, "toy-ring", "network.hidden=128")
	drawn, err := Begin(c, 0)
	if err != nil {
		t.Fatal(err)
	}
	c.Training.Start = "ring"
	if begun, err := Begin(c, 0); err != nil || slices.Equal(begun.Params, drawn.Params) {
		t.Errorf("the training starts from new weights, error %v", err)
	}
}

// TestStartWithCondition: a training with classes starts from a model without them. All its weights are the model's,
// except those of the classes, which are 0, so that they have no effect yet.
func TestStartWithCondition(t *testing.T) {
	c := preset(t, "fashion-class")
	plain, err := c.Network.Build([]int{1, 28, 28}, mustSchedule(t, c).Sigmas())
	if err != nil {
		t.Fatal(err)
	}
	classes := nn.Condition{Classes: 10, Dropped: true}
	given, err := c.Network.BuildFor(nn.Samples{Shape: []int{1, 28, 28}, Condition: classes})
	if err != nil {
		t.Fatal(err)
	}
	c.Training.Start = "fashion"
	want, err := c.startParams(plain)
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.startParams(given)
	if err != nil {
		t.Fatal(err)
	}
	table := given.NumParams() - plain.NumParams()
	for i, p := range given.Params {
		piece := given.Split(got)[i]
		if p.OfCondition {
			if slices.ContainsFunc(piece, func(v float32) bool { return v != 0 }) || len(piece) != table {
				t.Errorf("%s has %d numbers, not all 0: want %d", p.Name, len(piece), table)
			}
			continue
		}
		if !slices.Equal(piece, want[:len(piece)]) {
			t.Errorf("%s differs from the model's", p.Name)
		}
		want = want[len(piece):]
	}
	if table == 0 || len(want) != 0 {
		t.Errorf("table of %d numbers, %d of the model not compared", table, len(want))
	}
}

func TestStartRefuses(t *testing.T) {
	noModel := filepath.Join(t.TempDir(), "no.onnx")
	if err := os.WriteFile(noModel, []byte("no model"), 0o600); err != nil {
		t.Fatal(err)
	}
	for start, want := range map[string]string{
		"moons":                "moons",
		noModel:                "not an ONNX file",
		noModel + ".none.onnx": "no such file",
		"mnist":                "parameter dense1.weight: the file has none: want the same network",
		"ring":                 "parameter dense1.weight: the file has [3 128] in 1536 bytes: want [3 64]",
	} {
		_, err := Begin(short(t, "toy-ring", "network.hidden=64", "training.start="+start), 0)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") ||
			!strings.Contains(err.Error(), "training.start is ") {
			t.Errorf("start from %s: %v, want one line that says %q", start, err, want)
		}
	}
}
