// Package pinned has what programs need that download the files of a lock: the lock itself, digests, npm, and archives.
package pinned

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"regexp"
	"strings"

	"github.com/langevin-ml/langevin/internal/checksums"
)

// Parse reads a lock, of lines "key = value". Other lines are comments.
func Parse(text string) map[string]string {
	lock := make(map[string]string)
	for line := range strings.Lines(text) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), " = "); ok && !strings.HasPrefix(key, "#") {
			lock[key] = value
		}
	}
	return lock
}

// ErrOther is wrapped by the error of a file whose digest is not that of the lock.
var ErrOther = errors.New("is not the pinned file")

// Verify returns an error that wraps ErrOther unless a file has the digest of the lock. what names it.
func Verify(ctx context.Context, path, digest, what string) error {
	found, err := checksums.Digest(ctx, path)
	if err == nil && found != digest {
		err = fmt.Errorf("%s %w: its SHA-256 is %s, want %s", what, ErrOther, found, digest)
	}
	return err
}

// PackNPM downloads a package, name@version, into a folder with the npm that is installed. It runs no script of the
// package.
func PackNPM(ctx context.Context, spec, folder string) error {
	c := exec.CommandContext(ctx, "npm", "pack", spec, "--ignore-scripts", "--loglevel=error", "--fetch-retries=1")
	c.Dir = folder
	if err := Run(c); err != nil {
		return fmt.Errorf("npm could not get npm package %s (%w)", spec, err)
	}
	return nil
}

// Run runs a program. The error says in a few words why it failed.
func Run(c *exec.Cmd) error {
	if said, err := c.CombinedOutput(); err != nil {
		return errors.New(reason(said, err))
	}
	return nil
}

// npmCode is the line in which npm names the kind of an error.
var npmCode = regexp.MustCompile(`(?m) code (\S+)$`)

// reason returns why a program failed, in a few words.
func reason(said []byte, err error) string {
	if code := npmCode.FindSubmatch(said); code != nil {
		return string(code[1])
	}
	if lines := strings.Split(strings.TrimSpace(string(said)), "\n"); lines[len(lines)-1] != "" {
		return lines[len(lines)-1]
	}
	return err.Error()
}

// Untar writes one member of a .tgz file to a new file.
func Untar(ctx context.Context, tarball, member, to string) error {
	f, err := os.Open(tarball)
	if err != nil {
		return err
	}
	defer f.Close()
	unzipped, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	for r := tar.NewReader(unzipped); ; {
		header, err := r.Next()
		switch {
		case errors.Is(err, io.EOF):
			return fmt.Errorf("no %s in it", member)
		case err != nil:
			return err
		case path.Clean(header.Name) == member:
			return WriteFile(ctx, to, r)
		}
	}
}

// WriteFile writes a new file and brings it to the disk.
func WriteFile(ctx context.Context, path string, content io.Reader) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, checksums.Stoppable(ctx, content))
	return errors.Join(err, f.Sync(), f.Close())
}
