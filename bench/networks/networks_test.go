package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gomlx/compute-onnx/support/protos"
	"google.golang.org/protobuf/proto"

	"github.com/langevin-ml/langevin/models"
)

// The repository accepts the files that run writes, and the graphs keep the contract.
func TestFilesCanBeServed(t *testing.T) {
	folder := t.TempDir()
	if err := run(folder, false); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"toy", "image"} {
		file, err := os.ReadFile(filepath.Join(folder, "models", name, "1", models.FileName))
		if err != nil {
			t.Fatal(err)
		}
		manifest, err := models.Read(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := models.Decode(file, manifest); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	product, err := os.ReadFile(filepath.Join(folder, "product.onnx"))
	if err != nil || proto.Unmarshal(product, &protos.ModelProto{}) != nil {
		t.Errorf("product.onnx: %d bytes, %v", len(product), err)
	}
}

// TestCostMatchesWeights counts the cost again from the weights in the file. Each weight is used twice at every place
// of its resolution.
func TestCostMatchesWeights(t *testing.T) {
	toy, err := toyNetwork()
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []network{toy, imageNetwork()} {
		var want cost
		for _, tensor := range n.model.Graph.Initializer {
			if tensor.DataType != int32(protos.TensorProto_FLOAT) || tensor.Name == "scale" { // a constant of toy
				continue
			}
			size := len(tensor.RawData) / 4
			want.Parameters += size
			if strings.HasSuffix(tensor.Name, ".weight") {
				want.FLOPs += 2 * size * places(n.manifest.Name, tensor.Name)
			}
		}
		if n.cost != want {
			t.Errorf("%s: %+v, want %+v", n.manifest.Name, n.cost, want)
		}
	}
}

// places returns the number of places where a weight of a network is used.
func places(network, weight string) int {
	switch {
	case network == "toy":
		return 1
	case strings.HasPrefix(weight, "inner"), strings.HasPrefix(weight, "down"):
		return 14 * 14
	}
	return 28 * 28
}
