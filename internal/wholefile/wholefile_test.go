package wholefile

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWriteIsAllOrNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "picture.png")
	put := func(text string, after error) error {
		return Write(path, func(w io.Writer) error {
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
		t.Errorf("file holds %q (%v), want the older content", got, err)
	}
	if err := put("second", nil); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "second" {
		t.Errorf("file holds %q (%v), want the new content", got, err)
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
		t.Errorf("%d files left (%v), want one", len(left), err)
	}
}

func TestWriteNamesAFolderItCannotMake(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(file, "picture.png")
	if err := Write(path, func(io.Writer) error { return nil }); err == nil || !strings.Contains(err.Error(),
		"write "+path) {
		t.Errorf("error %v, want one that names %s", err, path)
	}
}

// check wants one file with a text in the folder of path, and nothing else.
func check(t *testing.T, path, want string) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil || string(got) != want {
		t.Errorf("%s has %q (%v), want %q", path, got, err, want)
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
		t.Errorf("the folder has %v (%v), want one file", entries, err)
	}
}

// Until a file is committed, its name has what it had before.
func TestPending(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := WriteBytes(path, []byte("old")); err != nil {
		t.Fatal(err)
	}
	f, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "old" {
		t.Errorf("before the commit: %q, %v", got, err)
	}
	f.Discard()
	check(t, path, "old")
	if f, err = Create(path); err != nil {
		t.Fatal(err)
	}
	if err := f.CommitBytes([]byte("new")); err != nil {
		t.Fatal(err)
	}
	f.Discard() // has nothing to remove
	check(t, path, "new")
}
