package langevin_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/langevin-ml/langevin/server"
)

// settingsPage lists every environment variable. make generate writes its table from the program's list.
const settingsPage = "docs/settings.md"

var updateSettings = flag.Bool("update-settings", false, "write the table of "+settingsPage)

// TestSettingsPage: the page has the variables of the program.
func TestSettingsPage(t *testing.T) {
	page, err := os.ReadFile(settingsPage)
	if err != nil {
		t.Fatal(err)
	}
	text, _, found := strings.Cut(string(page), "| variable |")
	want := text + variableTable()
	if found && string(page) == want {
		return
	}
	if !*updateSettings {
		t.Fatalf("%s differs from the program's list: run make generate", settingsPage)
	}
	if err := os.WriteFile(settingsPage, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

func variableTable() string {
	text := "| variable | default | meaning |\n|---|---|---|\n"
	for _, v := range server.Variables() {
		value := "none"
		if v.Default != "" {
			value = "`" + v.Default + "`"
		}
		text += fmt.Sprintf("| `%s` | %s | %s |\n", v.Name, value, strings.ReplaceAll(v.Help, "|", `\|`))
	}
	return text
}

// TestVariables: every variable of ours that code, scripts or documents name is in the program's list.
func TestVariables(t *testing.T) {
	var known []string
	for _, v := range server.Variables() {
		known = append(known, v.Name)
	}
	files := sources(t)
	for _, pattern := range []string{
		"*.md", "Makefile", "docs/*.md", "tools/*.sh", "deploy/*.yaml", "deploy/helm/langevin/templates/*.*",
		"deploy/helm/langevin/*.yaml", "bench/*/*.sh",
	} {
		names, err := filepath.Glob(pattern)
		if err != nil || len(names) == 0 {
			t.Fatalf("%s: %v, %v", pattern, names, err)
		}
		for _, name := range names {
			if files[name], err = os.ReadFile(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	word := regexp.MustCompile(`\bLANGEVIN_[A-Z0-9_]*[A-Z0-9]\b`)
	for name, text := range files {
		if name == "server/settings_test.go" { // it tries mistakes, and what Kubernetes sets
			continue
		}
		for _, variable := range word.FindAllString(string(text), -1) {
			if !slices.Contains(known, variable) {
				t.Errorf("%s names %s, which is not in server.Variables", name, variable)
			}
		}
	}
}
