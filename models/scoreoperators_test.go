package models

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestOperatorsOnThePage: docs/model-file.md lists the operators that networks may have, and no others.
func TestOperatorsOnThePage(t *testing.T) {
	page, err := os.ReadFile("../docs/model-file.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(page), "| | operators of `ai.onnx` |")
	table, _, _ = strings.Cut(table, "\n\n")
	listed := regexp.MustCompile(`\b[A-Z][A-Za-z0-9]+`).FindAllString(table, -1)
	slices.Sort(listed)
	if want := slices.Sorted(maps.Keys(scoreOperators)); !found || !slices.Equal(listed, want) {
		t.Errorf("the page lists %d operators:\n%v\nwant %d:\n%v", len(listed), listed, len(want), want)
	}
}
