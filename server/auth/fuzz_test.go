package auth

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/langevin-ml/langevin/internal/alloctest"
)

// FuzzTokens: a file of tokens is refused by an error that names it, or each of its lines has a name, a scope and a
// hash.
func FuzzTokens(f *testing.F) {
	_, line := NewToken("ci", ScopeSample, ScopeAdmin)
	for _, text := range []string{
		line + "\n", "# none\n\n" + line + " # of ci", line + "\r\n" + line, "a sample ff", "a b c d",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(t.TempDir(), "tokens")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		alloctest.Bounded(t, text, 8192, func(text []byte) {
			all, err := readTokens(path)
			if err != nil {
				if !strings.Contains(err.Error(), path) {
					t.Errorf("error %v does not name the file", err)
				}
				return
			}
			if len(all) > strings.Count(string(text), "\n")+1 {
				t.Errorf("%d tokens of %q", len(all), text)
			}
			for _, c := range all {
				if CheckName(c.name) != nil || len(c.scopes) == 0 {
					t.Errorf("accepted %+v", c)
				}
			}
		})
	})
}
