package ort

import (
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	onnxruntime "github.com/yalue/onnxruntime_go"
)

// The files of the CUDA provider. ONNX Runtime expects both in its own folder.
const (
	providerShared = "libonnxruntime_providers_shared.so"
	providerCUDA   = "libonnxruntime_providers_cuda.so"
	cudnnLibrary   = "libcudnn.so.9" // the provider loads it for the first convolution
)

// How to get what is missing.
const (
	fixProvider = "run \"langevin onnxruntime install --device cuda\", which gets ONNX Runtime " + Version +
		" with its CUDA provider, and set " + EnvLibrary + " to what it prints"
	fixDriver = "install the NVIDIA driver; start a container with --gpus all"
)

// Check is one condition for the use of a device.
type Check struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`        // what was found
	Fix    string `json:"fix,omitempty"` // how to get what is missing
}

func passed(name, format string, args ...any) Check {
	return Check{Name: name, OK: true, Detail: fmt.Sprintf(format, args...)}
}

func failed(name, fix, format string, args ...any) Check {
	return Check{Name: name, Detail: fmt.Sprintf(format, args...), Fix: fix}
}

// checkCUDA checks in this process everything that a GPU needs, in the order of need, and stops at the first thing that
// is missing. It passes each check to report when it ends. It looks for the provider in the folder of the library
// itself, not of a link to it.
func checkCUDA(library string, index int, report func(Check)) {
	if file, err := filepath.EvalSymlinks(library); err == nil {
		library = file
	}
	checks := []func() Check{
		func() Check { return checkProviderFiles(filepath.Dir(library)) },
		func() Check { return checkDependencies(filepath.Join(filepath.Dir(library), providerCUDA)) },
		func() Check { return checkDriver(index) },
		func() Check { return checkProvider(library, index) },
	}
	for _, check := range checks {
		result := check()
		report(result)
		if !result.OK {
			return
		}
	}
}

func checkProviderFiles(folder string) Check {
	const name = "provider library"
	for _, file := range []string{providerShared, providerCUDA} {
		if _, err := os.Stat(filepath.Join(folder, file)); err != nil {
			return failed(name, fixProvider, "%s is not in %s: this build of ONNX Runtime is for the CPU", file, folder)
		}
		if err := checkWhole(filepath.Join(folder, file)); err != nil {
			return failed(name, fixProvider, "%v", err)
		}
	}
	return passed(name, "%s", filepath.Join(folder, providerCUDA))
}

// checkDependencies loads the libraries that the provider is linked to. The driver has its own check.
func checkDependencies(provider string) Check {
	const name = "dependent libraries"
	file, err := elf.Open(provider)
	if err != nil {
		return failed(name, fixProvider, "%s: %v", provider, err)
	}
	defer file.Close()
	needed, err := file.ImportedLibraries()
	if err != nil {
		return failed(name, fixProvider, "%s: %v", provider, err)
	}
	major := cudaMajor(needed)
	if major != "" {
		needed = append(needed, cudnnLibrary)
	}
	var missing []string
	for _, library := range slices.DeleteFunc(needed, isDriver) {
		if err := tryLibrary(library); err != nil {
			missing = append(missing, library)
		}
	}
	if len(missing) > 0 {
		fix := "install them and add their folder to LD_LIBRARY_PATH"
		if major != "" {
			fix = fmt.Sprintf("install CUDA %s and cuDNN 9 (from NVIDIA's packages, or with pip: nvidia-cublas "+
				"nvidia-cuda-runtime nvidia-curand nvidia-cudnn-cu%s) and add their folders to LD_LIBRARY_PATH",
				major, major)
		}
		return failed(name, fix, "the loader does not find %s", strings.Join(missing, ", "))
	}
	return passed(name, "%s", strings.Join(needed, ", "))
}

func isDriver(library string) bool { return library == "libcuda.so.1" }

var cudartPattern = regexp.MustCompile(`^libcudart\.so\.(\d+)`)

// cudaMajor returns the CUDA release of libraries with these names; empty if the names do not show it.
func cudaMajor(libraries []string) string {
	for _, library := range libraries {
		if match := cudartPattern.FindStringSubmatch(library); match != nil {
			return match[1]
		}
	}
	return ""
}

func checkDriver(index int) Check {
	const name = "driver and device"
	d, err := askDriver(index)
	switch {
	case err != nil:
		return failed(name, fixDriver, "%v", err)
	case d.devices == 0:
		return failed(name, fixDriver+"; CUDA_VISIBLE_DEVICES may hide the devices", "the driver has no device")
	case d.name == "":
		return failed(name, fmt.Sprintf("name one of cuda:0 to cuda:%d", d.devices-1),
			"there is no device %d: the driver has %d", index, d.devices)
	}
	return passed(name, "%s (device %d of %d), driver for CUDA %s", d.name, index, d.devices, d.version)
}

// checkProvider opens a session on the device in the same way as serving does.
func checkProvider(library string, index int) Check {
	const name = "provider"
	runtime, err := OpenChecked(library)
	if err == nil {
		err = runtime.tryDevice(Device{CUDA: true, Index: index})
	}
	if err != nil {
		return failed(name, "", "ONNX Runtime does not start the provider: %v", plain(err))
	}
	return passed(name, "a session starts")
}

// tryDevice appends the device's provider to the options of a session.
func (r *Runtime) tryDevice(d Device) error {
	settings, err := onnxruntime.NewSessionOptions()
	if err != nil {
		return err
	}
	return errors.Join(useDevice(settings, d), settings.Destroy())
}

func useDevice(settings *onnxruntime.SessionOptions, d Device) error {
	if !d.CUDA {
		return nil
	}
	if err := d.Starting(func() error { return useCUDA(settings, d) }); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrDeviceUnavailable, d, plain(err))
	}
	return nil
}

// Starting calls a function that may start the device's provider, here or in another library. Then it restores the
// signal actions that the provider replaced; otherwise SIGTERM would abort the process. Only one call runs at a time.
func (d Device) Starting(start func() error) error {
	if !d.CUDA {
		return start()
	}
	process.mu.Lock()
	defer process.mu.Unlock()
	return keepingSignals(start)
}

// cudaOptions returns the provider's settings.
func cudaOptions(d Device) map[string]string {
	tf32 := "0" // the provider rounds by default
	if d.TF32 {
		tf32 = "1"
	}
	return map[string]string{
		"device_id": strconv.Itoa(d.Index),
		"use_tf32":  tf32,
		// An exhaustive search would try all algorithms again for each number of rows, and choose by measured times.
		"cudnn_conv_algo_search": "HEURISTIC",
	}
}

func useCUDA(settings *onnxruntime.SessionOptions, d Device) error {
	cuda, err := onnxruntime.NewCUDAProviderOptions()
	if err != nil {
		return err
	}
	defer cuda.Destroy()
	if err := cuda.Update(cudaOptions(d)); err != nil {
		return err
	}
	if err := settings.AppendExecutionProviderCUDA(cuda); err != nil {
		return err
	}
	// If the provider lacks an operator, loading fails. The operator does not run on the CPU unnoticed.
	return settings.AddSessionConfigEntry("session.disable_cpu_ep_fallback", "1")
}
