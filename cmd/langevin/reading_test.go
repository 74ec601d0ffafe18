package main

import (
	"image"
	"os"
	"strings"
	"testing"

	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/ort"
)

// What was left out of a folder is told once, above what is wrong with the rest.
func TestReadingIsTold(t *testing.T) {
	library, _, err := ort.FindLibrary("")
	if err != nil {
		t.Fatal(err)
	}
	whole := encodedPNG(t, image.NewGray(image.Rect(0, 0, 4, 4)))
	writeFiles(t, map[string][]byte{"a.png": whole, "._a.png": []byte("Mac OS X"), "b.png": whole[:len(whole)-20]})
	if err := os.Mkdir("test", 0o755); err != nil {
		t.Fatal(err)
	}
	for link, target := range map[string]string{"test/c.png": "../a.png", "folder": "."} {
		if err := os.Symlink(target, link); err != nil {
			t.Fatal(err)
		}
	}
	args := strings.Fields("train mnist-small --set data.name=images --set data.dir=folder --set data.image_size=4 " +
		"--out")
	got := runAlone(t, append(args, t.TempDir(), "--onnxruntime-library", library)...)
	want := "langevin: folder: left out 1 hidden file or folder (folder/._a.png), " +
		"1 link to a folder that was already read (folder/folder)\n" +
		"langevin: train mnist: data.dir: read folder/b.png: the file is cut short: png: invalid format: unexpected " +
		"EOF; " +
		"--set data.skip_broken=true leaves it out\n"
	if got.code != cli.ExitFailed || got.stdout != "" || got.stderr != want {
		t.Errorf("%+v\nwant code 1 and %s", got, want)
	}
}
