package langevin_test

import (
	"os"
	"path"
	"regexp"
	"strings"
	"testing"
)

// TestReliabilityPage: every row of docs/reliability.md names tests, and they exist.
func TestReliabilityPage(t *testing.T) {
	page, err := os.ReadFile("docs/reliability.md")
	if err != nil {
		t.Fatal(err)
	}
	tests := testNamesOf(sources(t))
	named := regexp.MustCompile("`([a-z/]+)\\.((?:Test|Fuzz)[A-Za-z]+)`")
	rows, promises := 0, false
	for line := range strings.Lines(string(page)) {
		if heading := strings.HasPrefix(line, "| Promise "); heading || !strings.HasPrefix(line, "|") {
			promises = heading
			continue
		}
		if !promises || strings.HasPrefix(line, "|--") {
			continue
		}
		rows++
		given := named.FindAllStringSubmatch(line, -1)
		if len(given) == 0 {
			t.Errorf("no test is named in the row %s", line)
		}
		for _, m := range given {
			if !tests[m[1]+"."+m[2]] {
				t.Errorf("there is no test %s in %s", m[2], m[1])
			}
		}
	}
	if rows < 30 {
		t.Errorf("%d rows: the form of the page has changed", rows)
	}
}

// testNamesOf returns the tests and fuzz targets of all packages, as folder.Name.
func testNamesOf(files map[string][]byte) map[string]bool {
	begin := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	names := map[string]bool{}
	for name, source := range files {
		if !strings.HasSuffix(name, "_test.go") {
			continue
		}
		for _, m := range begin.FindAllSubmatch(source, -1) {
			names[path.Dir(name)+"."+string(m[1])] = true
		}
	}
	return names
}
