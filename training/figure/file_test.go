package figure

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWriteFileIsAllOrNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "picture.png")
	put := func(text string, after error) error {
		return WriteFile(path, func(w io.Writer) error {
			_, err := io.WriteString(w, text)
			return errors.Join(err, after)
		})
	}
	if err := put("first", nil); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	err := put("half", broken)
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), "write "+path) {
		t.Errorf("error %v, want one that wraps the cause and names the path", err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "first" {
		t.Errorf("file has %q (%v), want the older content", got, err)
	}
	if err := put("second", nil); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "second" {
		t.Errorf("file has %q (%v), want the new content", got, err)
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
		t.Errorf("%d files left (%v), want one", len(left), err)
	}
}

func TestWriteFileNamesAFolderItCannotMake(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(file, "picture.png")
	if err := WriteFile(path, func(io.Writer) error { return nil }); err == nil ||
		!strings.Contains(err.Error(), "write "+path) {
		t.Errorf("error %v, want one that names %s", err, path)
	}
}
