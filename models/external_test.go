package models_test

import (
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/gomlx/compute-onnx/support/protos"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/models/modelstest"
)

// beside returns a tensor of two float32 elements that are stored in a file. Entries without a value are left out.
func beside(entries ...string) *protos.TensorProto {
	tensor := &protos.TensorProto{
		Name: "w", DataType: int32(protos.TensorProto_FLOAT), Dims: []int64{2},
		DataLocation: protos.TensorProto_EXTERNAL,
	}
	for i, key := range []string{"location", "offset", "length"} {
		if i < len(entries) && entries[i] != "" {
			tensor.ExternalData = append(tensor.ExternalData,
				&protos.StringStringEntryProto{Key: key, Value: entries[i]})
		}
	}
	return tensor
}

// weightsFolder returns a folder with a file of the numbers 0 to 3, links, a pipe and a folder.
func weightsFolder(t *testing.T) *os.Root {
	t.Helper()
	outside, dir := t.TempDir(), t.TempDir()
	var data []byte
	for i := range 4 {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(float32(i)))
	}
	err := errors.Join(
		os.WriteFile(filepath.Join(outside, "secret"), data, 0o644),
		os.Mkdir(filepath.Join(dir, "sub"), 0o755),
		os.WriteFile(filepath.Join(dir, "sub", "net.onnx.data"), data, 0o644),
		os.Symlink("sub/net.onnx.data", filepath.Join(dir, "within")),
		os.Symlink(filepath.Join(outside, "secret"), filepath.Join(dir, "out")),
		syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o644),
	)
	if err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return root
}

func TestInline(t *testing.T) {
	folder := weightsFolder(t)
	model := modelstest.Gaussian(2)
	constant := beside("within", "", "8")
	model.Graph.Initializer = append(model.Graph.Initializer, beside("sub/net.onnx.data", "8"))
	model.Graph.Node = append(model.Graph.Node, inBody(&protos.NodeProto{OpType: "Constant",
		Attribute: []*protos.AttributeProto{{Name: "value", T: constant}}}, 2))
	if n, err := models.Inline(model, folder); n != 2 || err != nil {
		t.Fatalf("%d tensors, %v: want 2", n, err)
	}
	first := model.Graph.Initializer[len(model.Graph.Initializer)-1]
	for tensor, want := range map[*protos.TensorProto][]float32{first: {2, 3}, constant: {0, 1}} {
		if got := floats(tensor); !slices.Equal(got, want) {
			t.Errorf("a tensor holds %v: want %v", got, want)
		}
	}
	model.Graph.Node = model.Graph.Node[:len(model.Graph.Node)-1]
	if err := models.Check(model, modelstest.Manifest("gauss", 2)); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestInlineRefuses(t *testing.T) {
	folder := weightsFolder(t)
	shaped := func(kind protos.TensorProto_DataType, dims ...int64) *protos.TensorProto {
		tensor := beside("sub/net.onnx.data")
		tensor.DataType, tensor.Dims = int32(kind), dims
		return tensor
	}
	for _, tt := range []struct {
		name   string
		tensor *protos.TensorProto
		want   string
	}{
		{"absolute path", beside("/etc/passwd"),
			`it is stored in "/etc/passwd": want a file in the folder of the model`},
		{"folder above", beside("../secret"), `it is stored in "../secret": want a file in the folder`},
		{"folder above in the middle", beside("sub/../../secret"), `want a file in the folder`},
		{"link out", beside("out"), `it is stored in "out" beside the model: path escapes`},
		{"pipe", beside("pipe"), `it is stored in "pipe" beside the model: not an ordinary file`},
		{"folder", beside("sub"), `it is stored in "sub" beside the model: not an ordinary file`},
		{"no file", beside("net.data"), `it is stored in "net.data" beside the model: no such file`},
		{"no name", beside(""), "it names no file"},
		{"past the end", beside("within", "12"), "it has 8 bytes from byte 12 on of within, which has 16 in all"},
		{"far past the end", beside("within", "9223372036854775807"), "which has 16 in all"},
		{"negative offset", beside("within", "-1"), `offset of its data is "-1": want a number of bytes`},
		{"offset of words", beside("within", "one"), `offset of its data is "one": want a number`},
		{"negative length", beside("within", "", "-8"), `length of its data is "-8": want a number`},
		{"another length", beside("within", "", "12"),
			"its entry says 12 bytes in within: want 8 for its shape"},
		{"strings", shaped(protos.TensorProto_STRING, 2), "type is STRING: want numbers"},
		{"negative axis", shaped(protos.TensorProto_FLOAT, -2), "shape is [-2]"},
		{"overflowing shape", shaped(protos.TensorProto_FLOAT, 1<<40, 1<<40), "shape is [1099511627776 1099511627776]"},
		{"more than a file can hold", shaped(protos.TensorProto_DOUBLE, 1<<29), "take more than 2147483647 bytes"},
	} {
		model := modelstest.Gaussian(2)
		model.Graph.Initializer = append(model.Graph.Initializer, tt.tensor)
		_, err := models.Inline(model, folder)
		if !errors.Is(err, models.ErrInvalid) || !strings.Contains(err.Error(), `tensor "w": `) ||
			!strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}
