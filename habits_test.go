package langevin_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

const (
	widest   = 120 // columns of a line, as .editorconfig says
	tabWidth = 4
)

// wide lists the folders, and the files of the root, that still have long lines. An entry without long lines must be
// removed.
var wide = []string{
	"bench", // its results are generated
}

// TestLines finds lines that are too long.
func TestLines(t *testing.T) {
	found := make(map[string][]string)
	for name, text := range writtenFiles(t) {
		home := path.Dir(name)
		if home == "." {
			home = name
		}
		found[home] = append(found[home], longLines(name, text)...)
	}
	for _, home := range slices.Sorted(maps.Keys(found)) {
		switch listed := slices.Contains(wide, home); {
		case !listed && len(found[home]) > 0:
			t.Errorf("wrap these lines at %d columns:\n%s", widest, strings.Join(found[home], "\n"))
		case listed && len(found[home]) == 0:
			t.Errorf("%s has no long lines any more: take it off the list in this test", home)
		}
	}
	for _, home := range wide {
		if _, ok := found[home]; !ok {
			t.Errorf("%s has no files any more: take it off the list in this test", home)
		}
	}
	if testing.Verbose() {
		for _, home := range wide {
			t.Logf("%s has %d long lines\n%s", home, len(found[home]), strings.Join(found[home], "\n"))
		}
	}
}

func TestLongLines(t *testing.T) {
	words := strings.Repeat("four ", 24) // 120 columns
	for _, c := range []struct {
		name, line string
		want       bool
	}{
		{"a.go", words, false},
		{"a.go", words + ".", true},
		{"a.go", "\t" + strings.Repeat("x", 116), false},
		{"a.go", "\t" + strings.Repeat("x", 117), true},
		{"a.go", strings.Repeat("σ", 120), false},
		{"a.go", strings.Repeat("σ", 121), true},
		{"a.go", "//go:generate " + words, false},
		{"a.go", "\tListen string `help:\"" + words + "\"`", false},
		{"a.go", "\tfmt.Println(`help:\"" + words + "\"`)", true},
		{"a.go", "| " + words, true},
		{"a.md", "| " + words, false},
		{"a.md", words + "|", true},
		{"a.md", "- [a page](https://example.com/" + strings.Repeat("x", 120) + ").", false},
		{"a.md", "[page]: https://example.com/" + strings.Repeat("x", 120), false},
		{"a.md", "See [a page](https://example.com/" + strings.Repeat("x", 120) + ").", true},
		{"Makefile", words + ".", true},
	} {
		if got := len(longLines(c.name, []byte("short\n"+c.line+"\n"))); got > 1 || got == 1 != c.want {
			t.Errorf("%s, line %q: %d long lines, want one: %t", c.name, c.line, got, c.want)
		}
	}
}

// longLines returns the places of the lines that are too long and could be wrapped.
func longLines(name string, text []byte) []string {
	var long []string
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		line = strings.TrimRight(line, "\n")
		if n := columns(line); n > widest && !whole(path.Ext(name), line) {
			long = append(long, fmt.Sprintf("%s:%d: %d columns", name, number, n))
		}
	}
	return long
}

// columns returns the width of a line on a screen.
func columns(line string) int {
	return utf8.RuneCountInString(strings.ReplaceAll(line, "\t", strings.Repeat(" ", tabWidth)))
}

// whole reports whether a line cannot be wrapped: a row of a table, a link alone, a directive, the tag of a field.
func whole(extension, line string) bool {
	switch extension {
	case ".go":
		return strings.HasPrefix(line, "//go:") || fieldTag().MatchString(line)
	case ".md":
		return strings.HasPrefix(strings.TrimSpace(line), "|") || linkAlone().MatchString(line)
	}
	return false
}

// fieldTag matches a field of a struct with a tag, which Go wants as one literal on the line of the field.
func fieldTag() *regexp.Regexp {
	return regexp.MustCompile("^\\t\\w+ +\\S+ +`\\w+:\".*`$")
}

// linkAlone matches a line of Markdown that is only a link, a picture, or the target of a link.
func linkAlone() *regexp.Regexp {
	return regexp.MustCompile(`^\s*([-*] )?(!?\[[^]]*\]\([^)\s]*\)|\[[^]]*\]: \S+|<?https?://\S+)[.,:;]?$`)
}

// writtenFiles reads the text files that people of this project wrote, by their path from the root.
func writtenFiles(t *testing.T) map[string][]byte {
	t.Helper()
	generated := regexp.MustCompile(`(?m)^(//|<!--) (Code g|G)enerated .*DO NOT EDIT`)
	files := make(map[string][]byte)
	err := filepath.WalkDir(".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return skipped(filepath.ToSlash(name))
		}
		extensions := []string{".go", ".md", ".proto", ".sh"}
		if !slices.Contains(extensions, filepath.Ext(name)) && entry.Name() != "Makefile" {
			return nil
		}
		text, err := os.ReadFile(name)
		if err == nil && !generated.Match(text) {
			files[filepath.ToSlash(name)] = bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
		}
		return err
	})
	if err != nil {
		t.Fatalf("read the files: %v", err)
	}
	return files
}

// skipped excludes folders that are not this project's own work.
func skipped(folder string) error {
	foreign := []string{"bin", "data", "out", "third_party"}
	hidden := strings.HasPrefix(path.Base(folder), ".") && folder != "." && folder != ".github"
	if hidden || slices.Contains(foreign, folder) {
		return fs.SkipDir
	}
	return nil
}

// TestChangelog reads the changelog as a release does: the newest version first, each with a date and notes.
func TestChangelog(t *testing.T) {
	text, err := os.ReadFile("CHANGELOG.md")
	if err != nil {
		t.Fatal(err)
	}
	headings := regexp.MustCompile(`(?m)^## .*$`).FindAllString(string(text), -1)
	if len(headings) < 2 || headings[0] != "## [Unreleased]" {
		t.Fatalf("headings are %q: want Unreleased, then releases", headings)
	}
	release := regexp.MustCompile(`^## \[(\d+\.\d+\.\d+)\] - \d{4}-\d\d-\d\d$`)
	for _, heading := range headings[1:] {
		match := release.FindStringSubmatch(heading)
		if match == nil {
			t.Errorf("heading %q: want ## [X.Y.Z] - YEAR-MONTH-DAY", heading)
			continue
		}
		notes, err := exec.CommandContext(t.Context(), "tools/notes.sh", "v"+match[1]).Output()
		if err != nil || bytes.Contains(notes, []byte("\n## ")) || bytes.Contains(notes, []byte("]: ")) {
			t.Errorf("notes of %s: %v\n%s", match[1], err, notes)
		}
		if !bytes.Contains(text, []byte("\n["+match[1]+"]: ")) {
			t.Errorf("%s has no link", match[1])
		}
	}
	if out, err := exec.CommandContext(t.Context(), "tools/notes.sh", "v0.0.0").CombinedOutput(); err == nil {
		t.Errorf("notes of a version that does not exist: %q", out)
	}
}
