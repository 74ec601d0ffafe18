package ort

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	onnxruntime "github.com/yalue/onnxruntime_go"

	"github.com/langevin-ml/langevin/models"
)

const (
	onCUDA = "CUDAExecutionProvider"
	onCPU  = "CPUExecutionProvider"
)

// checkPlacement evaluates a graph once, in a separate session with ONNX Runtime's profile turned on. It returns an
// error unless every node ran on the device: a session that is told to use a device may not use it.
func checkPlacement(graph []byte, manifest models.Manifest, options Options, device Device) error {
	nodes, err := profile(graph, manifest, options, device)
	if err != nil {
		return fmt.Errorf("check that the network runs on %s: %w", device, err)
	}
	return nodes.allOn(device)
}

// profiled is the operators of the nodes of an evaluation, by the provider that ran them.
type profiled map[string][]string

// allOn returns an error that names the operators that ran elsewhere, or an error if no node ran at all.
func (p profiled) allOn(d Device) error {
	want := onCPU
	if d.CUDA {
		want = onCUDA
	}
	var elsewhere []string
	for _, provider := range slices.Sorted(maps.Keys(p)) {
		if operators := slices.Compact(slices.Sorted(slices.Values(p[provider]))); provider != want {
			elsewhere = append(elsewhere, fmt.Sprintf("%s on %s", strings.Join(operators, ", "), provider))
		}
	}
	switch {
	case len(elsewhere) > 0:
		return fmt.Errorf("%w: %s: parts of the network ran elsewhere: %s", ErrDeviceUnavailable, d,
			strings.Join(elsewhere, "; "))
	case len(p[want]) == 0:
		return fmt.Errorf("%w: %s: no part of the network ran there", ErrDeviceUnavailable, d)
	}
	return nil
}

// profile evaluates a graph with the profile turned on. It needs a folder for temporary files, because ONNX Runtime
// writes the profile to a file.
func profile(graph []byte, manifest models.Manifest, options Options, device Device) (_ profiled, err error) {
	folder, err := os.MkdirTemp("", "langevin-profile-")
	if err != nil {
		return nil, fmt.Errorf("%w: set TMPDIR to a folder that can be written to", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	settings, err := sessionOptions(options, device)
	if err != nil {
		return nil, err
	}
	defer settings.Destroy()
	if err := settings.EnableProfiling(filepath.Join(folder, "run")); err != nil {
		return nil, plain(err)
	}
	if err := device.Starting(func() error { return runOnce(graph, manifest, settings) }); err != nil {
		return nil, err
	}
	files, _ := filepath.Glob(filepath.Join(folder, "*.json")) // fails only for a bad pattern
	if len(files) != 1 {
		return nil, fmt.Errorf("ONNX Runtime wrote %d profiles", len(files))
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		return nil, err
	}
	return readProfile(text)
}

// runOnce evaluates a graph in a separate session. The profile is written when the session ends.
func runOnce(graph []byte, manifest models.Manifest, settings *onnxruntime.SessionOptions) error {
	loaded, err := openScore(graph, manifest, settings)
	if err != nil {
		return err
	}
	l := newLane(loaded, productRows, manifest)
	fill(l.x, l.sigma, manifest)
	l.c.fill(productRows, anyGiven(productRows, manifest.Condition))
	b, err := l.binding(productRows)
	if err == nil {
		err = loaded.RunWithBinding(b.io)
	}
	if err != nil {
		err = plain(err)
	}
	return errors.Join(err, l.destroy(), loaded.Destroy())
}

// readProfile reads the events of ONNX Runtime's profile. Events of category Node that name a provider are kernels.
func readProfile(text []byte) (profiled, error) {
	var events []struct {
		Category string `json:"cat"`
		Args     struct {
			Operator string `json:"op_name"`
			Provider string `json:"provider"`
		} `json:"args"`
	}
	if err := json.Unmarshal(text, &events); err != nil {
		return nil, fmt.Errorf("ONNX Runtime's profile: %w", err)
	}
	nodes := profiled{}
	for _, e := range events {
		if e.Category == "Node" && e.Args.Provider != "" {
			nodes[e.Args.Provider] = append(nodes[e.Args.Provider], e.Args.Operator)
		}
	}
	return nodes, nil
}
