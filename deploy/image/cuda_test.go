package main

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// made is a library of the tests.
type made struct {
	file  string
	name  string // with which the loader finds it; the name of the file if empty
	needs []string
	text  string
}

// makeLibrary compiles a library that needs others, which may be missing.
func makeLibrary(t *testing.T, folder string, m made) {
	t.Helper()
	file := filepath.Join(folder, m.file)
	if m.name == "" {
		m.name = filepath.Base(m.file)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	args := []string{"-shared", "-nostdlib", "-Wl,--no-as-needed", "-Wl,-soname," + m.name, "-x", "c", "-", "-o", file}
	// The linker wants to see what a library needs. An empty library with the name is enough.
	for _, need := range m.needs {
		stub := filepath.Join(t.TempDir(), need)
		compile(t, "", "-shared", "-nostdlib", "-Wl,-soname,"+need, "-x", "c", "-", "-o", stub)
		args = append(args, "-x", "none", stub)
	}
	compile(t, `const char *text = "`+m.text+`";`, args...)
}

func compile(t *testing.T, program string, args ...string) {
	t.Helper()
	c := exec.CommandContext(t.Context(), "gcc", args...)
	c.Stdin = strings.NewReader(program)
	if said, err := c.CombinedOutput(); err != nil {
		t.Fatalf("gcc: %v: %s", err, said)
	}
}

// writeFile writes a file and the folders above it.
func writeFile(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// cudaMachine returns a folder with made-up libraries: ONNX Runtime's in ort, and NVIDIA's in two Python packages.
func cudaMachine(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	for _, m := range []made{
		{file: "ort/libonnxruntime.so.1.30.0", name: "libonnxruntime.so.1", needs: []string{"libm.so.6"}},
		{file: "ort/libonnxruntime_providers_shared.so"},
		{file: "ort/libonnxruntime_providers_cuda.so", needs: []string{"libcublas.so.13", "libcuda.so.1"},
			text: "load libcudnn.so or libcudart.so.12"},
		{file: "site/nvidia/cu13/lib/libcublas.so.13.4.1", name: "libcublas.so.13",
			needs: []string{"libcublasLt.so.13"}},
		{file: "site/nvidia/cu13/lib/libcublasLt.so.13", needs: []string{"libpthread.so.0"}, text: "libnvrtc.so.13."},
		{file: "site/nvidia/cu13/lib/libnvrtc.so.13", text: "libnvrtc-builtins.so.13.2"},
		{file: "site/nvidia/cu13/lib/libnvrtc-builtins.so.13.2"},
		{file: "site/nvidia/cu13/lib/libnccl.so.2"},
		{file: "site/nvidia/cu13/lib/stubs/libcudnn.so.9"},
		{file: "site/nvidia/cu13/lib/libcuda.so.1"},
		{file: "site/nvidia/cudnn/lib/libcudnn.so.9", text: "libcudnn_ops.so libcuda.so.1"},
		{file: "site/nvidia/cudnn/lib/libcudnn_ops.so.9", needs: []string{"libz.so.1"}},
	} {
		makeLibrary(t, folder, m)
	}
	for name, record := range map[string]string{
		"nvidia_cu-13.2.dist-info": "nvidia/cu13/lib/libcublas.so.13.4.1,sha256=x,1\n" +
			"nvidia/cu13/lib/libcublasLt.so.13,,\nnvidia/cu13/lib/libnvrtc.so.13,,\n" +
			"nvidia/cu13/lib/libnvrtc-builtins.so.13.2,,\n",
		"nvidia_cudnn_cu13-9.26.dist-info": "nvidia/cudnn/lib/libcudnn.so.9,,\nnvidia/cudnn/lib/libcudnn_ops.so.9,,\n",
		"nvidia_nccl_cu13-2.30.dist-info":  "nvidia/cu13/lib/libnccl.so.2,,\n",
	} {
		writeFile(t, filepath.Join(folder, "site", name, "RECORD"), record)
		writeFile(t, filepath.Join(folder, "site", name, "licenses", "License.txt"), "terms of "+name)
	}
	writeFile(t, filepath.Join(folder, "licences", "LICENSE"), "terms of Langevin")
	compile(t, "int main(void) { return 0; }", "-x", "c", "-", "-o", filepath.Join(folder, "langevin"))
	return folder
}

// cudaTree returns the files of an image from the made-up libraries.
func cudaTree(t *testing.T, folder string) (tree, error) {
	t.Helper()
	given, err := readLibraries([]string{filepath.Join(folder, "site")})
	if err != nil {
		t.Fatal(err)
	}
	return layOut(source{program: filepath.Join(folder, "langevin"), given: given,
		library:     filepath.Join(folder, "ort", "libonnxruntime.so.1.30.0"),
		authorities: filepath.Join(folder, "licences", "LICENSE"), licences: filepath.Join(folder, "licences")})
}

// TestCUDALayout: an image for CUDA has what the provider needs, also what is named only in a text, under the names
// that the loader looks for, each with its licence. It has neither the driver nor what nothing needs.
func TestCUDALayout(t *testing.T) {
	root, err := cudaTree(t, cudaMachine(t))
	if err != nil {
		t.Fatal(err)
	}
	inside, others := root.split()
	want := []string{
		"/usr/local/lib/libonnxruntime.so.1.30.0", "/usr/local/lib/libonnxruntime_providers_cuda.so",
		"/usr/local/lib/libonnxruntime_providers_shared.so", "/usr/local/lib/nvidia/libcublas.so.13",
		"/usr/local/lib/nvidia/libcublasLt.so.13", "/usr/local/lib/nvidia/libcudnn.so.9",
		"/usr/local/lib/nvidia/libcudnn_ops.so.9", "/usr/local/lib/nvidia/libnvrtc-builtins.so.13.2",
		"/usr/local/lib/nvidia/libnvrtc.so.13",
	}
	if got := slices.Sorted(maps.Keys(inside)); !slices.Equal(got, want) {
		t.Errorf("libraries %q, want %q", got, want)
	}
	if e := root["/usr/local/lib/nvidia/libcudnn.so.9"]; !strings.Contains(e.file, "/cudnn/lib/") {
		t.Errorf("cuDNN is %s, which is for the linker", e.file)
	}
	for name, text := range map[string]string{"nvidia_cu": "terms of nvidia_cu-13.2.dist-info",
		"nvidia_cudnn_cu13": "terms of nvidia_cudnn_cu13-9.26.dist-info", "nvidia_nccl_cu13": ""} {
		if got := string(others[licenceFolder+"/"+name+"/License.txt"].content); got != text {
			t.Errorf("licence of %s: %q, want %q", name, got, text)
		}
	}
	for name := range root {
		if strings.Contains(name, driver) {
			t.Errorf("the driver's %s is in the image", name)
		}
	}
	for _, name := range []string{"libz.so.1", "libpthread.so.0"} {
		if at, _, err := (libraries{}).find(name); err != nil || others[at].content == nil {
			t.Errorf("%s of the system, which NVIDIA's libraries need, is not in the image", name)
		}
	}
}

// TestCUDAImage: the libraries are a layer of their own, which another program leaves as it is, and the configuration
// asks for GPUs.
func TestCUDAImage(t *testing.T) {
	folder := cudaMachine(t)
	var below []string
	for _, version := range []string{"1.2.3", "1.2.4"} {
		writeFile(t, filepath.Join(folder, "licences", "LICENSE"), "terms of "+version)
		root, err := cudaTree(t, folder)
		if err != nil {
			t.Fatal(err)
		}
		image, err := build(root, version, true)
		if err != nil {
			t.Fatal(err)
		}
		config, err := image.ConfigFile()
		if err != nil || len(config.RootFS.DiffIDs) != 2 {
			t.Fatalf("configuration %+v, %v", config, err)
		}
		for _, want := range []string{"NVIDIA_VISIBLE_DEVICES=all", "NVIDIA_DRIVER_CAPABILITIES=compute,utility"} {
			if !slices.Contains(config.Config.Env, want) {
				t.Errorf("variables %q, want %s", config.Config.Env, want)
			}
		}
		if !slices.Contains(config.Config.Cmd, "--device=cuda") {
			t.Errorf("command %q", config.Config.Cmd)
		}
		below = append(below, config.RootFS.DiffIDs[0].String(), config.RootFS.DiffIDs[1].String())
	}
	if below[0] != below[2] || below[1] == below[3] {
		t.Errorf("layers %q of two programs with the same libraries", below)
	}
}

// TestCUDARefusals: an image is not made without a library that it needs, its licence, or the build for CUDA.
func TestCUDARefusals(t *testing.T) {
	folder, away := cudaMachine(t), filepath.Join(t.TempDir(), "away")
	for _, c := range []struct{ without, want string }{
		{"site/nvidia/cu13/lib/libcublasLt.so.13", "it needs libcublasLt.so.13, which is in none of "},
		{"site/nvidia/cudnn/lib/libcudnn.so.9", "the CUDA provider needs libcudnn.so.9, which is in none of "},
		{"site/nvidia_cu-13.2.dist-info/RECORD", "no Debian package has it"},
		{"site/nvidia_cudnn_cu13-9.26.dist-info/licenses/License.txt", "there is none in "},
		{"ort/libonnxruntime_providers_cuda.so", "-library has to be the build for CUDA: "},
	} {
		file := filepath.Join(folder, c.without)
		if err := os.Rename(file, away); err != nil {
			t.Fatal(err)
		}
		if _, err := cudaTree(t, folder); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("without %s: %v, want %q", c.without, err, c.want)
		}
		if err := os.Rename(away, file); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := readLibraries([]string{t.TempDir()}); err == nil || !strings.Contains(err.Error(), "no further") {
		t.Errorf("an empty folder: %v", err)
	}
}

// TestCUDADoctor: contained, the image for CUDA finds everything but the driver, and without a GPU it draws.
func TestCUDADoctor(t *testing.T) {
	if os.Getenv("IMAGE_LIBRARIES") == "" {
		t.Skip("run by make test-image-cuda, which gets NVIDIA's libraries")
	}
	_, root := laidOut(t)
	inside := inside(t, unpacked(t, root), forCUDA(configuration("1.2.3")))
	said, err := inside("doctor", "--device", "cuda")
	t.Logf("%s", said)
	const missing = "FAIL  driver and device: libcuda.so.1, the NVIDIA driver, is missing"
	if err == nil || strings.Count(said, "FAIL") != 1 || !strings.Contains(said, missing) {
		t.Errorf("doctor: %v; want one failure: %s", err, missing)
	}
	if out, err := inside("sample", "ring", "-n", "4", "--seed", "7", "--local"); err != nil || out == "" {
		t.Errorf("sample ring --local: %q, %v", out, err)
	}
}
