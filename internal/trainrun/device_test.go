package trainrun

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/ort"
)

// TestMain lets this program be its own child, as main does, to try a GPU.
func TestMain(m *testing.M) {
	ort.ExitAfterProbe()
	os.Exit(m.Run())
}

// Device auto trains on the CPU where there is no GPU, and says so.
func TestAutoTrainsOnCPU(t *testing.T) {
	library, _, err := ort.FindLibrary("")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ort.ProbeDevice(t.Context(), library, ort.Device{CUDA: true}); err == nil {
		t.Skip("this machine has CUDA")
	}
	var told bytes.Buffer
	p := &cli.Program{Stderr: &told}
	device, err := findDevice(t.Context(), p, library, DeviceFlags{device: ort.DeviceAuto})
	const want = "langevin: device auto: no GPU can be used, so the training runs on the CPU: " +
		"device unavailable: cuda:0: provider library"
	if err != nil || device != (ort.Device{}) || !strings.HasPrefix(told.String(), want) ||
		strings.Count(told.String(), "\n") != 1 {
		t.Errorf("auto is %v, %v, and says %q", device, err, told.String())
	}
}

func TestVisibleDevice(t *testing.T) {
	for _, tt := range []struct {
		list  string
		index int
		want  string
	}{{"", 0, "0"}, {"", 2, "2"}, {"3", 0, "3"}, {"5,GPU-8a1,1", 1, "GPU-8a1"}} {
		if got := visibleDevice(tt.list, tt.index); got != tt.want {
			t.Errorf("device %d of %q is %q, want %q", tt.index, tt.list, got, tt.want)
		}
	}
}
