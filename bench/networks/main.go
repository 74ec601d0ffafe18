// Networks writes the files that the benchmarks run: two models, NAME/1/model.onnx; a product of matrices to measure
// the machine; and networks.json with their costs. The weights are random, because time does not depend on them.
//
//	go run ./bench/networks FOLDER [ncsnv2]
//
// The second argument adds a network of the size of NCSNv2 for CIFAR-10, 119 MB, for GPUs.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/gomlx/compute-onnx/support/protos"
	"google.golang.org/protobuf/proto"

	"github.com/langevin-ml/langevin/models"
)

// network is a model and the cost of one evaluation of one sample.
type network struct {
	model    *protos.ModelProto
	manifest models.Manifest
	cost     cost
}

// cost counts the arithmetic of products and convolutions: two operations for each weight and each place where it is
// used.
type cost struct {
	Parameters int `json:"parameters"`
	FLOPs      int `json:"flops"`
}

func main() {
	if len(os.Args) != 2 && (len(os.Args) != 3 || os.Args[2] != "ncsnv2") {
		fmt.Fprintln(os.Stderr, "networks: want the folder to write to, and optionally ncsnv2")
		os.Exit(2)
	}
	if err := run(os.Args[1], len(os.Args) == 3); err != nil {
		fmt.Fprintln(os.Stderr, "networks:", err)
		os.Exit(1)
	}
}

func run(folder string, large bool) error {
	toy, err := toyNetwork()
	if err != nil {
		return err
	}
	all := []network{toy, imageNetwork()}
	if large {
		ncsnv2, err := ncsnv2Network()
		if err != nil {
			return err
		}
		all = append(all, ncsnv2)
	}
	costs := map[string]cost{}
	for _, n := range all {
		if err := models.Attach(n.model, n.manifest); err != nil {
			return err
		}
		if err := write(filepath.Join(folder, "models", n.manifest.Name, "1", models.FileName), n.model); err != nil {
			return err
		}
		costs[n.manifest.Name] = n.cost
	}
	product, productCost := matrixProduct(1024)
	if err := write(filepath.Join(folder, "product.onnx"), product); err != nil {
		return err
	}
	costs["product"] = productCost
	text, err := json.MarshalIndent(costs, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, "networks.json"), append(text, '\n'), 0o644)
}

func write(path string, model *protos.ModelProto) error {
	bytes, err := proto.MarshalOptions{Deterministic: true}.Marshal(model)
	if err != nil {
		return fmt.Errorf("encode %s: %w", path, err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, bytes, 0o644)
}
