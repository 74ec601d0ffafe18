package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/client/fake"
	"github.com/langevin-ml/langevin/internal/cli"
)

// npy is a file as numpy.save writes it, version 1.0, with the given elements. numpy.lib.format describes it.
func npy(kind, shape string, elements any) []byte {
	header := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': %s, }", kind, shape)
	header += strings.Repeat(" ", 117-len(header)) + "\n"
	file := append([]byte("\x93NUMPY\x01\x00\x76\x00"), header...)
	file, err := binary.Append(file, binary.LittleEndian, elements)
	if err != nil {
		panic(err)
	}
	return file
}

func writeFiles(t *testing.T, files map[string][]byte) {
	t.Helper()
	t.Chdir(t.TempDir())
	for name, data := range files {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestInpaintFlags: what the files hold is what the server is asked for.
func TestInpaintFlags(t *testing.T) {
	writeFiles(t, map[string][]byte{
		"point.npy":  npy("<f4", "(2,)", []float32{3, 4}),
		"double.npy": npy("<f8", "(1, 2)", []float64{3, 4}),
		"image.npy":  npy("<f4", "(2, 1, 3)", []float32{1, 2, 3, 4, 5, 6}),
		"bool.npy":   npy("|b1", "(2,)", []bool{true, false}),
		"bytes.npy":  npy("|u1", "(1, 3)", []uint8{0, 255, 1}),
		"float.npy":  npy("<f4", "(2,)", []float32{0, 1}),
	})
	for line, want := range map[string]client.Inpainting{
		"--inpaint point.npy --mask bool.npy": {Values: []float32{3, 4}, Shape: []int{2}, Mask: []bool{true, false}},
		"--inpaint double.npy --mask float.npy": {
			Values: []float32{3, 4}, Shape: []int{1, 2}, Mask: []bool{false, true}},
		"--inpaint image.npy --mask bytes.npy --refresh step": {Values: []float32{1, 2, 3, 4, 5, 6},
			Shape: []int{2, 1, 3}, Mask: []bool{false, true, true}, Refresh: client.RefreshStep},
	} {
		var got client.SampleRequest
		script := fake.Script{Sample: func(ctx context.Context, req client.SampleRequest,
			emit func(client.Event) error) error {
			got = req
			return points()(ctx, req, emit)
		}}
		if out := langevin(t, script, append([]string{"sample"}, strings.Fields(line)...)...); out.code != cli.ExitOK {
			t.Errorf("sample %s: %+v", line, out)
		}
		if diff := cmp.Diff(client.SampleRequest{N: 1, Condition: want}, got); diff != "" {
			t.Errorf("sample %s (-want +got):\n%s", line, diff)
		}
	}
}

func TestInpaintRefusesFiles(t *testing.T) {
	sound := npy("<f4", "(2,)", []float32{3, 4})
	writeFiles(t, map[string][]byte{
		"x.npy":       sound,
		"text.npy":    []byte("three,four\n5,six\n"),
		"empty.npy":   nil,
		"short.npy":   sound[:len(sound)-1],
		"head.npy":    sound[:50],
		"long.npy":    append(bytes.Clone(sound), 0),
		"complex.npy": npy("<c8", "(1,)", []float32{3, 4}),
		"nan.npy":     npy("<f4", "(2,)", []float32{3, float32(math.NaN())}),
		"object.npy":  npy("|O", "(2,)", []byte("pickle")),
		"huge.npy":    npy("<f4", "(4294967296, 4294967296)", []float32{3}),
		"zero.npy":    npy("<f4", "(0, 2)", []float32{}),
		"fields.npy":  bytes.Replace(sound, []byte("'<f4'"), []byte("[ 4 ]"), 1),
		"bytes.npy":   npy("|u1", "(2,)", []uint8{3, 4}),
		"three.npy":   npy("|b1", "(3,)", []bool{true, true, true}),
		"half.npy":    npy("<f4", "(2,)", []float32{1, 0.5}),
		"none.npy":    npy("|b1", "(2,)", []bool{false, false}),
		"m.npy":       npy("|b1", "(2,)", []bool{false, true}),
		"bright.npy":  npy("<f4", "(2,)", []float32{0, 255}),
	})
	if err := os.Mkdir("folder.npy", 0o755); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		"nowhere.npy m.npy": "read nowhere.npy: no such file or directory",
		"folder.npy m.npy":  "read folder.npy: is a directory",
		"text.npy m.npy":    "read text.npy: line 2, column 2 (four) is \"six\": want a number",
		"empty.npy m.npy":   "read empty.npy: it is empty",
		"head.npy m.npy":    "read head.npy: it is not in NumPy's array format",
		"short.npy m.npy":   "read short.npy: the file is cut short: 7 bytes where shape [2] needs 8",
		"long.npy m.npy":    "read long.npy: the file has more than its 2 elements",
		"complex.npy m.npy": "read complex.npy: its elements are <c8: want whole numbers, bools, or floats",
		"nan.npy m.npy":     "read nan.npy: element [1], counted from 0, is NaN: want finite numbers",
		"object.npy m.npy":  "its elements are |O",
		"fields.npy m.npy":  "it is not a plain array",
		"huge.npy m.npy":    "its shape is (4294967296, 4294967296): want",
		"zero.npy m.npy":    "its shape is (0, 2): want",
		"bytes.npy m.npy":   "--inpaint bytes.npy holds |u1: want numbers in the range of the model's data",
		"x.npy nowhere.npy": "read nowhere.npy: no such file",
		"x.npy three.npy":   "--mask three.npy has shape [3]: want [2]",
		"x.npy half.npy":    "--mask half.npy: element 1 is 0.5: want 0 or 1",
		"x.npy bright.npy":  "--mask bright.npy: element 1 is 255: want 0 or 1",
		"x.npy none.npy":    "--mask none.npy: no element is known",
	} {
		values, mask, _ := strings.Cut(line, " ")
		got := langevin(t, fake.Script{}, "sample", "--inpaint", values, "--mask", mask)
		if got.code != cli.ExitFailed || got.stdout != "" || !oneLineWith(got.stderr, want) {
			t.Errorf("%s: %+v\nwant code 1 and %q", line, got, want)
		}
	}
}
