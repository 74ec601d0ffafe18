package main

import (
	"archive/tar"
	"bytes"
	"debug/buildinfo"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// laidOut returns the program that make built and the files of its image, or skips the test.
func laidOut(t *testing.T) (program string, root tree) {
	t.Helper()
	program, library := os.Getenv("IMAGE_PROGRAM"), os.Getenv("LANGEVIN_ONNXRUNTIME_LIBRARY")
	licences := os.Getenv("IMAGE_LICENCES")
	if program == "" || library == "" || licences == "" {
		t.Skip("run by make test-image, which builds the program")
	}
	given, err := readLibraries(strings.Fields(os.Getenv("IMAGE_LIBRARIES")))
	if err != nil {
		t.Fatal(err)
	}
	root, err = layOut(source{program: program, library: library, licences: licences, given: given,
		authorities: "/etc/ssl/certs/ca-certificates.crt"})
	if err != nil {
		t.Fatal(err)
	}
	return program, root
}

// unpacked returns a folder with the files of the image.
func unpacked(t *testing.T, root tree) string {
	t.Helper()
	content, w := io.Pipe()
	defer content.Close()
	go func() { w.CloseWithError(root.archive(w)) }()
	folder := t.TempDir()
	for r := tar.NewReader(content); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return folder
		}
		if err == nil {
			err = unpack(filepath.Join(folder, h.Name), h, r)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func unpack(path string, h *tar.Header, content io.Reader) error {
	if h.Typeflag == tar.TypeDir {
		return errors.Join(os.MkdirAll(path, 0o755), os.Chmod(path, h.FileInfo().Mode()))
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, h.FileInfo().Mode())
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	return errors.Join(err, f.Close())
}

// contained runs a command in the image, in a shell outside it: with the image's variables, as another user, without
// privileges, and without a place to write to.
const contained = `set -e
mount --bind "$ROOT" "$ROOT"
mkdir -p "$ROOT/proc" "$ROOT/dev"
mount -t proc proc "$ROOT/proc"
touch "$ROOT/dev/null"
mount --bind /dev/null "$ROOT/dev/null"
mount -o remount,bind,ro "$ROOT"
setpriv=$(command -v setpriv)
chroot=$(command -v chroot)
exec env -i $VARIABLES "$setpriv" --no-new-privs \
	--bounding-set=-all,+setuid,+setgid,+sys_chroot --inh-caps=-all \
	"$chroot" --userspec=65532:65532 "$ROOT" langevin "$@"`

// inside returns a function that runs the image's program contained, in a folder with the image's files, and returns
// what it prints.
func inside(t *testing.T, folder string, config v1.Config) func(args ...string) (string, error) {
	return func(args ...string) (string, error) {
		unshare := append([]string{"--mount", "--pid", "--fork", "sh", "-c", contained, "sh"}, args...)
		c := exec.CommandContext(t.Context(), "unshare", unshare...)
		c.Env = append(os.Environ(), "ROOT="+folder, "VARIABLES="+strings.Join(config.Env, " "))
		var said bytes.Buffer
		c.Stderr = &said
		out, err := c.Output()
		if err != nil && strings.Contains(said.String(), "unshare failed") {
			t.Skipf("this user may not make a mount namespace: %s", said.String())
		}
		if err != nil {
			t.Logf("%s", said.String())
		}
		return string(out), err
	}
}

// TestImageSamples: contained like that, the image draws the same bytes as the program on this machine, and it finds
// nothing wrong. Its version is the program's.
func TestImageSamples(t *testing.T) {
	program, root := laidOut(t)
	inside := inside(t, unpacked(t, root), configuration("1.2.3"))
	for _, args := range [][]string{
		{"version"}, {"sample", "ring", "-n", "64", "--seed", "7", "--local"},
		{"sample", "mnist", "-n", "2", "--seed", "7", "--local"},
	} {
		got, err := inside(args...)
		if err != nil {
			t.Fatalf("langevin %v in the image: %v", args, err)
		}
		want, err := exec.CommandContext(t.Context(), program, args...).Output()
		var failed *exec.ExitError
		if errors.As(err, &failed) {
			t.Fatalf("langevin %v outside: %v: %s", args, err, failed.Stderr)
		}
		if err != nil || got != string(want) {
			t.Errorf("langevin %v: %.200q in the image, %.200q outside, %v", args, got, want, err)
		}
	}
	if said, err := inside("doctor"); err != nil || strings.Contains(said, "FAIL") {
		t.Errorf("doctor: %v\n%s", err, said)
	}
}

// TestImageHasNoMore: the image is the same bytes each time, at most 115 MB, and has no shell.
func TestImageHasNoMore(t *testing.T) {
	var digests []string
	for range 2 {
		_, root := laidOut(t)
		if root.size() > 115e6 {
			t.Errorf("%d bytes, want at most 115 MB", root.size())
		}
		for name, e := range root {
			isProgram := e.mode&0o111 != 0 && e.mode&folder == 0 && !strings.Contains(name, ".so")
			if isProgram && name != programPath {
				t.Errorf("%s is a program", name)
			}
		}
		image, err := build(root, "1.2.3", false)
		if err != nil {
			t.Fatal(err)
		}
		digest, err := image.Digest()
		if err != nil {
			t.Fatal(err)
		}
		digests = append(digests, digest.String())
		config, err := image.ConfigFile()
		if err != nil || config.Config.User != "65532:65532" || len(config.RootFS.DiffIDs) != 1 ||
			config.Config.Labels["org.opencontainers.image.version"] != "1.2.3" {
			t.Errorf("configuration %+v, %v", config, err)
		}
	}
	if digests[0] != digests[1] {
		t.Errorf("digests %v of the same files", digests)
	}
}

// TestImageLicences: the image has a licence for everything that is in it, and the texts that those refer to.
func TestImageLicences(t *testing.T) {
	program, root := laidOut(t)
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"LICENSE", "onnxruntime/LICENSE", "onnxruntime/ThirdPartyNotices.txt", "libc6/copyright",
		"libgcc-s1/copyright", "libstdc++6/copyright", "common-licenses/GPL-3", "common-licenses/LGPL-2.1"}
	for _, module := range info.Deps {
		want = append(want, module.Path+"/")
	}
	text := 0
	for name, e := range root {
		if inside, ok := strings.CutPrefix(name, licenceFolder+"/"); ok {
			text += len(e.content)
			want = slices.DeleteFunc(want, func(w string) bool {
				return inside == w || strings.HasSuffix(w, "/") && strings.HasPrefix(inside, w)
			})
		}
	}
	if len(want) > 0 {
		t.Errorf("no licences for %q", want)
	}
	if text > 3e6 {
		t.Errorf("%d bytes of licences", text)
	}
}
