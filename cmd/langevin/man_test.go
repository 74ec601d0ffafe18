package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/langevin-ml/langevin/internal/cli"
)

// TestManual: every command has a page that tells all of its flags.
func TestManual(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "0")
	dir := filepath.Join(t.TempDir(), "man1")
	if got := runAlone(t, "man", "--out", dir); got != (outcome{code: cli.ExitOK}) {
		t.Fatalf("%+v", got)
	}
	p := &cli.Program{}
	for _, c := range cli.AllCommands(root(p)) {
		if c.Hidden {
			continue
		}
		page, err := os.ReadFile(filepath.Join(dir, strings.ReplaceAll(c.CommandPath(), " ", "-")+".1"))
		if err != nil {
			t.Error(err)
			continue
		}
		text := strings.ReplaceAll(string(page), `\-`, "-")
		if !strings.HasPrefix(text, `.nh`) || !strings.Contains(text, `"Jan 1970"`) ||
			!strings.Contains(text, c.Short) {
			t.Errorf("the page of %s begins %.200s", c.CommandPath(), text)
		}
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if !strings.Contains(text, "--"+f.Name) {
				t.Errorf("the page of %s does not tell --%s", c.CommandPath(), f.Name)
			}
		})
	}
	if got := runAlone(t, "man"); got.code != cli.ExitUsage ||
		!oneLineWith(got.stderr, "--out is empty: want a folder") {
		t.Errorf("%+v", got)
	}
}
