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

// What NVIDIA's libraries read when they are loaded, which is how GoMLX, whose settings have neither, is told.
const (
	envVisible = "CUDA_VISIBLE_DEVICES"
	envTF32    = "NVIDIA_TF32_OVERRIDE" // 0: no products with TF32, whoever asks for them
)

// DeviceFlags say what trains.
type DeviceFlags struct {
	device string
	tf32   bool
}

func (o *DeviceFlags) Register(flags *pflag.FlagSet) {
	flags.StringVar(&o.device, "device", ort.DeviceCPU, "what trains: cpu, cuda or cuda:N, or auto: the GPU if there is one")
	flags.BoolVar(&o.tf32, "tf32", false, "let a GPU round the factors of products to 10 bits, which is faster")
}

// Options says what trains, by a library of ONNX Runtime, after findTrainingDevice.
func Options(ctx context.Context, p *cli.Program, library string, o DeviceFlags) (training.Options, error) {
	device, err := findDevice(ctx, p, library, o)
	return training.Options{Library: library, Device: trainsOn(device), Starting: device.Starting}, err
}

// findDevice finds out what --device means, tells where auto is the CPU, and prepares this process for a GPU. None of
// its libraries is loaded yet: the probe was a process of its own.
func findDevice(ctx context.Context, p *cli.Program, library string, o DeviceFlags) (ort.Device, error) {
	if o.tf32 && o.device == ort.DeviceCPU {
		return ort.Device{}, errors.New("--tf32 is for GPUs: want --device to be cuda, cuda:N or auto")
	}
	found, err := ort.FindDevice(ctx, library, o.device)
	if found.Fallback != nil {
		fmt.Fprintf(p.Stderr, "langevin: device auto: no GPU can be used, so the training runs on the CPU: %s\n", phrase.OneLine(found.Fallback))
	}
	if err != nil || !found.CUDA {
		return ort.Device{}, err
	}
	if !o.tf32 {
		err = os.Setenv(envTF32, "0")
	}
	return found.Device, errors.Join(err, os.Setenv(envVisible, visibleDevice(os.Getenv(envVisible), found.Index)))
}

// visibleDevice names the device of that index among the visible ones, which are all if the list is empty.
func visibleDevice(list string, index int) string {
	if devices := strings.Split(list, ","); list != "" && index < len(devices) {
		return devices[index]
	}
	return strconv.Itoa(index)
}

// trainsOn is what training calls the device.
func trainsOn(d ort.Device) string {
	if d.CUDA {
		return training.CUDA
	}
	return training.CPU
}
