package wholefile

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
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

// TestCheck: what Check allows can be written, and what it refuses cannot. It leaves nothing behind.
func TestCheck(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("file", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir("folder", 0o755); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"new": "", "file": "", "folder/new": "", "new/newer/newest": "", "folder": "it is a folder",
		"file/new": "not a directory", "file/newer/newest": "not a directory",
	} {
		err := Check(path)
		if want == "" && err != nil || want != "" && (err == nil || err.Error() != "write "+path+": "+want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
	if left, err := os.ReadDir("."); err != nil || len(left) != 2 {
		t.Errorf("left %v, %v", left, err)
	}
}

// TestCommitOrRescue: a content that cannot get its name is written elsewhere, and an error of the content is only
// reported.
func TestCommitOrRescue(t *testing.T) {
	refuge := t.TempDir()
	t.Setenv("TMPDIR", refuge)
	for _, broken := range []error{nil, errors.New("broken")} {
		folder := filepath.Join(t.TempDir(), "folder")
		if err := os.Mkdir(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		f, err := Create(filepath.Join(folder, "rows.npy"))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(folder); err != nil {
			t.Fatal(err)
		}
		err = f.CommitOrRescue(func(w io.Writer) error {
			_, err := io.WriteString(w, "content")
			return errors.Join(err, broken)
		})
		kept, globErr := filepath.Glob(filepath.Join(refuge, "*"))
		if broken != nil {
			if !errors.Is(err, broken) || len(kept) != 0 {
				t.Errorf("broken content: %v, kept %v, %v", err, kept, globErr)
			}
			continue
		}
		if len(kept) != 1 || !strings.HasSuffix(kept[0], ".npy") || !strings.Contains(err.Error(), kept[0]) {
			t.Fatalf("%v, kept %v", err, kept)
		}
		check(t, kept[0], "content")
		if err := os.Remove(kept[0]); err != nil {
			t.Fatal(err)
		}
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

// names lists a folder.
func names(t *testing.T, folder string) []string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, entry := range entries {
		all = append(all, entry.Name())
	}
	return all
}

// TestStale: what a killed process left of a file is removed by the next that writes it, and nothing else is.
func TestStale(t *testing.T) {
	folder := t.TempDir()
	stay := []string{".other.txt.7.part", ".file.bak.part", ".file.7.part.old", "file.7.part", ".file.7", ".file.part"}
	for _, name := range append([]string{".file.123.part", ".file.9.part"}, stay...) {
		if err := os.WriteFile(filepath.Join(folder, name), []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(folder, ".file.8.part"), 0o700); err != nil {
		t.Fatal(err)
	}
	f, err := Create(filepath.Join(folder, "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Discard()
	written := filepath.Base(f.file.Name())
	want := append([]string{".file.8.part", written}, stay...)
	slices.Sort(want)
	if got := names(t, folder); !slices.Equal(got, want) {
		t.Errorf("the folder has %q, want %q", got, want)
	}
	second, err := Create(filepath.Join(folder, "file")) // does not touch what is being written
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(second.CommitBytes([]byte("b")), f.CommitBytes([]byte("a"))); err != nil {
		t.Error(err)
	}
	RemoveStale(folder)
	want = []string{".file.7", ".file.7.part.old", ".file.8.part", ".file.bak.part", ".file.part", "file",
		"file.7.part"}
	if got := names(t, folder); !slices.Equal(got, want) {
		t.Errorf("after RemoveStale the folder has %q, want %q", got, want)
	}
}

// TestGrowing: an older file stays until the first write, and a write that fails leaves nothing of itself.
func TestGrowing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	if err := WriteBytes(path, []byte("old")); err != nil {
		t.Fatal(err)
	}
	g, err := Grow(path)
	if err != nil {
		t.Fatal(err)
	}
	g.Discard()
	check(t, path, "old")
	if g, err = Grow(path); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"one\n", "two\n"} {
		if got, err := os.ReadFile(path); err != nil || len(got) == 0 {
			t.Errorf("before %q: %q, %v", line, got, err)
		}
		if _, err := io.WriteString(g, line); err != nil {
			t.Fatal(err)
		}
	}
	check(t, path, "one\ntwo\n")
	g.Discard()
	check(t, path, "one\ntwo\n")
	if _, err := g.Write([]byte("three")); err == nil || !strings.Contains(err.Error(), "write "+path+": ") {
		t.Errorf("after the end: error %v, want one that names the file", err)
	}
	check(t, path, "one\ntwo\n")
}
