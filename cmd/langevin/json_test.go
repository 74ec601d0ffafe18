package main

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/models/modelstest"
)

// TestJSON: what every command with --json writes to standard output is JSON and nothing else.
func TestJSON(t *testing.T) {
	folder := modelFolder(t)
	addModel(t, folder, "judged", modelstest.File(t, modelstest.Gaussian(2),
		modelstest.WithDetector(t, modelstest.Manifest("judged", 2))))
	own := inside(t, folder)
	t.Setenv(envBuiltIn, "true")
	library := strings.Join(own[2:4], " ")
	server := "--server " + serving(t, own)
	writeFiles(t, map[string][]byte{
		"theirs.onnx": modelstest.Bytes(t, modelstest.Foreign(10, 1, 0.1)),
		"held.npy":    npy("<f4", "(200, 2)", normal(1, 200)),
		"deep.onnx":   modelstest.File(t, modelstest.DeepConv("SiLU", 8, 1), modelstest.Manifest("deep", 1, 8, 8)),
	})
	lines := map[string]string{
		"langevin sample":         "gauss -n 3 --steps-per-level 2 " + server,
		"langevin eval":           "2gauss -n 500 --steps-per-level 2 " + server,
		"langevin bench":          "--model gauss --steps-per-level 2 --requests 2 --warmup 0s " + server,
		"langevin models ls":      server,
		"langevin models show":    "gauss " + server,
		"langevin models load":    "gauss " + server,
		"langevin models reload":  server,
		"langevin models import":  "theirs.onnx --name theirs --range=-3,3 --out models " + library,
		"langevin models check":   "deep.onnx " + library,
		"langevin models convert": "deep.onnx --fp16 --out models " + library,
		"langevin detect":         "judged held.npy " + server,
		"langevin detect fit":     "gauss --data held.npy --out models --models-dir " + folder + " " + library,
		"langevin schedule":       "--dim 3072 --sigma1 50",
		"langevin doctor":         strings.Join(own, " "),
		"langevin version":        "",
	}
	p := &cli.Program{}
	for _, c := range cli.AllCommands(root(p)) {
		line, listed := lines[c.CommandPath()]
		if has := c.Flags().Lookup("json") != nil; has != listed {
			t.Errorf("%s: has --json: %t; this test knows a line for it: %t", c.CommandPath(), has, listed)
		}
		if !listed {
			continue
		}
		args := strings.Fields(c.CommandPath() + " --json " + line)[1:]
		got := runAlone(t, args...)
		if documents, err := countJSON(got.stdout); got.code != cli.ExitOK || err != nil || documents == 0 {
			t.Errorf("%v: %d documents, then %v: %+v", args, documents, err, got)
		}
	}
}

// countJSON counts the JSON objects that a text consists of.
func countJSON(text string) (n int, err error) {
	for decoder := json.NewDecoder(strings.NewReader(text)); ; n++ {
		var object map[string]any
		if err := decoder.Decode(&object); errors.Is(err, io.EOF) {
			return n, nil
		} else if err != nil {
			return n, err
		}
	}
}
