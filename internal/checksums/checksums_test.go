package checksums

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	folder := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	check := func(path string, named bool, want string) {
		t.Helper()
		got, err := Check(t.Context(), path)
		if got != named || (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v, want %v, %q", filepath.Base(path), got, err, named, want)
		}
	}
	a, b := write("a", "abc"), write("b", "")
	check(a, false, "")
	text, err := Of(t.Context(), folder)
	// The digests of "abc" and of nothing are in FIPS 180-2, and all over the world.
	const abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
	const empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	if want := abc + "  a\n" + empty + "  b\n"; err != nil || text != want {
		t.Fatalf("%q, %v, want %q", text, err, want)
	}
	write(Name, text)
	check(a, true, "")
	check(write("c", "x"), false, "")
	write("b", "x")
	check(a, true, b+" is altered: its SHA-256 is ")
	write("b", "")
	write("a", "abd")
	check(a, true, a+" is altered: its SHA-256 is ")
	if err := os.Remove(b); err != nil {
		t.Fatal(err)
	}
	write("a", "abc")
	check(a, true, "no such file")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Check(ctx, a); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped: %v", err)
	}
}
