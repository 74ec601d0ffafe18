package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/server/auth"
)

// TestToken: the file admits what the command prints and does not hold it.
func TestToken(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tokens")
	for _, args := range [][]string{{"token", "alice", "--file", file}, {"token", "bob", "--scope", "sample,admin",
		"--file", file}} {
		out := runAlone(t, args...)
		token := strings.TrimSpace(out.stdout)
		data, err := os.ReadFile(file)
		if out.code != cli.ExitOK || err != nil || token == "" || strings.Contains(string(data), token) {
			t.Errorf("%v: %+v, %v, and the file has %q", args, out, err, data)
		}
	}
	if _, err := auth.OpenTokens(file, nil); err != nil {
		t.Error(err)
	}
	data, err := os.ReadFile(file)
	if lines := strings.Split(string(data), "\n"); err != nil || len(lines) != 3 ||
		!strings.HasPrefix(lines[0], "alice sample ") || !strings.HasPrefix(lines[1], "bob sample,admin ") {
		t.Errorf("the file is %q, %v", data, err)
	}
	for _, args := range [][]string{{"token"}, {"token", "a b"}, {"token", "a", "--scope", "root"}} {
		if out := runAlone(t, args...); out.code != cli.ExitUsage || out.stdout != "" {
			t.Errorf("%q: %+v", args, out)
		}
	}
}
