package server

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestSecurityPage compares docs/security.md with the code. The tests that it names exist, and it has all of the
// server's limits with their defaults.
func TestSecurityPage(t *testing.T) {
	data, err := os.ReadFile("../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(data)
	named := regexp.MustCompile("`([a-z/]+)\\.((?:Test|Fuzz)[A-Za-z]+)`").FindAllStringSubmatch(page, -1)
	if len(named) < 30 {
		t.Errorf("%d tests are named: the form of the page has changed", len(named))
	}
	for _, m := range named {
		if !hasTest(t, filepath.Join("..", m[1]), m[2]) {
			t.Errorf("there is no %s in %s", m[2], m[1])
		}
	}
	rows := map[string]string{}
	limit := regexp.MustCompile("(?m)^\\| `([a-z_.]+)` \\| ([^ |]+) \\|.*`[a-z/]+\\.Test")
	for _, m := range limit.FindAllStringSubmatch(page, -1) {
		rows[m[1]] = m[2]
	}
	for _, s := range defaultSettings() {
		given, listed := rows[s.key]
		delete(rows, s.key)
		if value := fmt.Sprint(s.value.Interface()); listed && value != given {
			t.Errorf("%s is %s by default, and the page says %s", s.key, value, given)
		}
		isLimit := strings.HasPrefix(s.key, "limits.") || strings.HasPrefix(s.key, "quota.") ||
			strings.HasPrefix(s.key, "grpc.") && s.key != "grpc.reflection"
		if isLimit && !listed {
			t.Errorf("%s is not on the page, with a test that proves it", s.key)
		}
	}
	for key := range rows {
		t.Errorf("the page has %s, which is not a setting", key)
	}
}

// hasTest reports whether a folder has a test with the given name.
func hasTest(t *testing.T, folder, name string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(source), "\nfunc "+name+"(") {
			return true
		}
	}
	return false
}
