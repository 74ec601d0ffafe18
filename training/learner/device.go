package learner

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/gomlx/compute"
	onnxbackend "github.com/gomlx/compute-onnx"

	"github.com/langevin-ml/langevin/ort"
	"github.com/langevin-ml/langevin/training/compile"
)

// These are the devices of [Options].
const (
	CPU  = "cpu"
	CUDA = "cuda" // the first GPU that the process sees, which CUDA_VISIBLE_DEVICES selects
)

// openBackend starts GoMLX with the ONNX Runtime library at path, on a device. It downloads nothing.
func openBackend(path, device string) (compute.Backend, error) {
	device = cmp.Or(device, CPU)
	if device != CPU && device != CUDA {
		return nil, fmt.Errorf("device is %q: want %s or %s", device, CPU, CUDA)
	}
	if path == "" {
		return nil, errors.New("no ONNX Runtime library given")
	}
	path, err := filepath.EvalSymlinks(path) // ONNX Runtime looks for providers next to the file itself
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return nil, fmt.Errorf("open ONNX Runtime: %w", err)
	}
	if strings.ContainsAny(path, ",=") { // these separate GoMLX's settings, and the path is one of them
		return nil, fmt.Errorf("open ONNX Runtime %s: the path has a comma or an equals sign, which GoMLX cannot take",
			path)
	}
	if err := ort.DisableTelemetry(); err != nil {
		return nil, err
	}
	backend, err := onnxbackend.New(path + "," + device)
	if err != nil {
		return nil, fmt.Errorf("open ONNX Runtime %s: %w", path, err)
	}
	return compile.NewBackend(backend), nil
}
