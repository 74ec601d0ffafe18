package ort

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/langevin-ml/langevin/models/modelstest"
)

// TestPlacement: ONNX Runtime's profile shows what ran a network, and a network that ran on another device is refused.
func TestPlacement(t *testing.T) {
	theRuntime(t)
	scratch := t.TempDir()
	t.Setenv("TMPDIR", scratch)
	graph, manifest := modelstest.Bytes(t, modelstest.Conv("Relu", 6, 1)), modelstest.Manifest("conv", 1, 6, 6)
	options := Options{}.withDefaults()
	if err := checkPlacement(graph, manifest, options, Device{}); err != nil {
		t.Errorf("on the CPU: %v", err)
	}
	nodes, err := profile(graph, manifest, options, Device{})
	if err != nil {
		t.Fatal(err)
	}
	if len(nodes) != 1 || len(nodes[onCPU]) < 3 || !strings.Contains(strings.Join(nodes[onCPU], " "), "Conv") {
		t.Errorf("the nodes are %v, want those of the network on the CPU", nodes)
	}
	if left, _ := filepath.Glob(filepath.Join(scratch, "*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
	err = nodes.allOn(Device{CUDA: true})
	if !errors.Is(err, ErrDeviceUnavailable) ||
		!strings.Contains(err.Error(), "cuda:0: parts of the network ran elsewhere: ") ||
		!strings.Contains(err.Error(), " on CPUExecutionProvider") {
		t.Errorf("as if on a GPU: %v", err)
	}
	t.Setenv("TMPDIR", filepath.Join(scratch, "nowhere"))
	if err := checkPlacement(graph, manifest, options, Device{}); !errors.Is(err, os.ErrNotExist) ||
		!strings.Contains(err.Error(), "set TMPDIR") {
		t.Errorf("without a folder for the profile: %v", err)
	}
}

func TestProfileOfGPU(t *testing.T) {
	nodes, err := readProfile([]byte(`[
		{"cat": "Session", "name": "model_run", "args": {}},
		{"cat": "Node", "name": "a_fence_before", "args": {"op_name": "Conv"}},
		{"cat": "Node", "name": "a_kernel_time", "args": {"op_name": "Conv", "provider": "CUDAExecutionProvider"}},
		{"cat": "Kernel", "name": "implicit_gemm", "args": {"provider": "x"}},
		{"cat": "Node", "name": "b_kernel_time", "args": {"op_name": "Gather", "provider": "CPUExecutionProvider"}},
		{"cat": "Node", "name": "c_kernel_time", "args": {"op_name": "Gather", "provider": "CPUExecutionProvider"}}]`))
	if err != nil {
		t.Fatal(err)
	}
	gpu := Device{CUDA: true, Index: 1}
	const want = "device unavailable: cuda:1: parts of the network ran elsewhere: Gather on CPUExecutionProvider"
	if err := nodes.allOn(gpu); err == nil || err.Error() != want {
		t.Errorf("error is %v", err)
	}
	delete(nodes, onCPU)
	if err := nodes.allOn(gpu); err != nil {
		t.Errorf("all on the GPU: %v", err)
	}
	if err := (profiled{}).allOn(gpu); err == nil ||
		!strings.Contains(err.Error(), "no part of the network ran there") {
		t.Errorf("nothing ran: %v", err)
	}
	if _, err := readProfile([]byte("[{")); err == nil {
		t.Error("half a profile is none")
	}
}
