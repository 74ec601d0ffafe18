package trainrun

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/phrase"
	"github.com/langevin-ml/langevin/ort"
	"github.com/langevin-ml/langevin/training"
)

// Environment variables that NVIDIA's libraries read when they are loaded. GoMLX has no settings for these.
const (
	envVisible = "CUDA_VISIBLE_DEVICES"
	envTF32    = "NVIDIA_TF32_OVERRIDE" // 0: never compute products in TF32
)

// DeviceFlags has the flags that choose the device of a training.
type DeviceFlags struct {
	device string
	tf32   bool
}

// Register adds the flags.
func (o *DeviceFlags) Register(flags *pflag.FlagSet) {
	flags.StringVar(&o.device, "device", ort.DeviceCPU,
		"what trains: cpu, cuda or cuda:N, or auto: the GPU if there is one")
	flags.BoolVar(&o.tf32, "tf32", false, "let a GPU round the factors of products to 10 bits, which is faster")
}

// Options returns the options of a training with the library of ONNX Runtime and the device that --device chooses. It
// prepares this process for a GPU, so call it before anything loads the libraries of one.
func Options(ctx context.Context, p *cli.Program, library string, o DeviceFlags) (training.Options, error) {
	device, err := findDevice(ctx, p, library, o)
	return training.Options{Library: library, Device: trainsOn(device), Starting: device.Starting}, err
}

// findDevice finds out what --device means, says so if auto is the CPU, and prepares this process for a GPU. No library
// of the GPU is loaded yet, since a separate process tried it.
func findDevice(ctx context.Context, p *cli.Program, library string, o DeviceFlags) (ort.Device, error) {
	if o.tf32 && o.device == ort.DeviceCPU {
		return ort.Device{}, errors.New("--tf32 is for GPUs: want --device to be cuda, cuda:N or auto")
	}
	found, err := ort.FindDevice(ctx, library, o.device)
	if found.Fallback != nil {
		fmt.Fprintf(p.Stderr, "langevin: device auto: no GPU can be used, so the training runs on the CPU: %s\n",
			phrase.OneLine(found.Fallback))
	}
	if err != nil || !found.CUDA {
		return ort.Device{}, err
	}
	if !o.tf32 {
		err = os.Setenv(envTF32, "0")
	}
	return found.Device, errors.Join(err, os.Setenv(envVisible, visibleDevice(os.Getenv(envVisible), found.Index)))
}

// visibleDevice returns the name of the device with an index among the visible ones. An empty list means all devices.
func visibleDevice(list string, index int) string {
	if devices := strings.Split(list, ","); list != "" && index < len(devices) {
		return devices[index]
	}
	return strconv.Itoa(index)
}

// trainsOn returns the name that package training has for a device.
func trainsOn(d ort.Device) string {
	if d.CUDA {
		return training.CUDA
	}
	return training.CPU
}
