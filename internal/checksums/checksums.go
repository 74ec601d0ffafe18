// Package checksums compares files with their SHA-256 in a file SHA256SUMS next to them, in the form of sha256sum.
package checksums

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Name is the name of the file with the digests of the files in its folder.
const Name = "SHA256SUMS"

// Digest returns the SHA-256 of a file, in hexadecimal. It stops when ctx ends.
func Digest(ctx context.Context, path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, Stoppable(ctx, f)); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// Stoppable returns a reader that fails when ctx has ended.
func Stoppable(ctx context.Context, r io.Reader) io.Reader { return stoppable{ctx, r} }

type stoppable struct {
	ctx context.Context //nolint:containedctx // it lives as long as one copy
	io.Reader
}

// Read implements [io.Reader].
func (s stoppable) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	return s.Reader.Read(p)
}

// Of returns the text of [Name] for the files of a folder.
func Of(ctx context.Context, folder string) (string, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return "", err
	}
	var text strings.Builder
	for _, entry := range entries {
		digest, err := Digest(ctx, filepath.Join(folder, entry.Name()))
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&text, "%s  %s\n", digest, entry.Name())
	}
	return text.String(), nil
}

// Check returns an error if a file, or another one that [Name] in its folder has too, is not as it says there. named
// reports whether the file is in it. If it is not, or there is no such list, nothing else is compared.
func Check(ctx context.Context, path string) (named bool, err error) {
	folder, file := filepath.Split(path)
	sums, err := read(filepath.Join(folder, Name))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if _, named = sums[file]; err != nil || !named {
		return false, err
	}
	for _, name := range slices.Sorted(maps.Keys(sums)) {
		want := sums[name]
		digest, err := Digest(ctx, filepath.Join(folder, name))
		if err == nil && digest != want {
			err = fmt.Errorf("%s is altered: its SHA-256 is %s, want %s", filepath.Join(folder, name), digest, want)
		}
		if err != nil {
			return true, err
		}
	}
	return true, nil
}

// read returns the digests of a list by the names of files. A name with a folder in it means a file of this folder.
func read(path string) (map[string]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	sums := make(map[string]string)
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if digest, name, ok := strings.Cut(lines.Text(), "  "); ok {
			sums[filepath.Base(name)] = digest
		}
	}
	return sums, lines.Err()
}
