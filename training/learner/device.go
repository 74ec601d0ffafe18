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

// The devices of [Options].
const (
	CPU  = "cpu"
	CUDA = "cuda" // the first GPU that the process sees: CUDA_VISIBLE_DEVICES says which
)

// openBackend starts GoMLX on the ONNX Runtime library at path and a device. Nothing is ever downloaded.
func openBackend(path, device string) (compute.Backend, error) {
	device = cmp.Or(device, CPU)
	if device != CPU && device != CUDA {
		return nil, fmt.Errorf("device is %q: want %s or %s", device, CPU, CUDA)
	}
	if path == "" {
		return nil, errors.New("no ONNX Runtime library given")
	}
	path, err := filepath.EvalSymlinks(path) // providers are looked for beside the file itself
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return nil, fmt.Errorf("open ONNX Runtime: %w", err)
	}
	if strings.ContainsAny(path, ",=") { // they separate GoMLX's settings, of which the path is one
		return nil, fmt.Errorf("open ONNX Runtime %s: the path has a comma or an equals sign, which GoMLX cannot take", path)
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
