package onnxruntime

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Installation says which library goes where.
type Installation struct {
	Lock     Lock
	Platform Platform
	Folder   string // of all versions; the library is in a folder of its version in it
	CUDA     bool   // the build with the CUDA provider
	From     string // a file of the lock that was downloaded elsewhere, or the library itself; empty for none
	Say      func(format string, args ...any)
}

// ErrOther is wrapped by the error of a file whose digest is not that of the lock.
var ErrOther = errors.New("is not the file of onnxruntime.lock")

// Path returns where the library is or will be, or an error if the lock has none for the platform.
func (i Installation) Path() (string, error) {
	name, err := i.Lock.library(i.Platform, i.CUDA)
	if err != nil {
		return "", err
	}
	folder := i.Lock.Version()
	if i.CUDA {
		folder += "-cuda"
	}
	return filepath.Join(i.Folder, folder, name), nil
}

// Install downloads the library, unless it is there, and returns its path. The library becomes visible only after its
// digest matches the lock, and then by one rename. So an installation may be interrupted at any point, and two may
// race.
func (i Installation) Install(ctx context.Context) (string, error) {
	path, err := i.Path()
	if err != nil {
		return "", err
	}
	if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
		i.Say("ONNX Runtime %s is at %s", i.Lock.Version(), path)
		return path, nil
	}
	if err := os.MkdirAll(i.Folder, 0o755); err != nil {
		return "", fmt.Errorf("install ONNX Runtime: %w", err)
	}
	scratch, err := os.MkdirTemp(i.Folder, "fetch.")
	if err != nil {
		return "", fmt.Errorf("install ONNX Runtime: %w", err)
	}
	defer os.RemoveAll(scratch)
	if err := i.fill(ctx, scratch, filepath.Base(path)); err != nil {
		return "", fmt.Errorf("install ONNX Runtime %s: %w", i.Lock.Version(), err)
	}
	if err := publish(filepath.Join(scratch, libraries), filepath.Dir(path)); err != nil {
		return "", fmt.Errorf("install ONNX Runtime: %w", err)
	}
	i.Say("ONNX Runtime %s is now at %s", i.Lock.Version(), path)
	return path, nil
}

// libraries is the folder in a scratch folder that is published.
const libraries = "libraries"

// fill puts the library, with the given name, and what belongs to it, into the scratch folder's libraries.
func (i Installation) fill(ctx context.Context, scratch, name string) error {
	folder := filepath.Join(scratch, libraries)
	if err := os.Mkdir(folder, 0o755); err != nil {
		return err
	}
	switch {
	case i.From != "":
		return i.given(folder, name)
	case i.CUDA:
		return i.wheel(ctx, scratch)
	}
	npm := i.npm(ctx, scratch, name)
	if npm == nil || errors.Is(npm, ErrOther) || ctx.Err() != nil {
		return npm // somebody should find out why a file is another one, so no other source is tried
	}
	i.Say("%v", npm)
	archive := i.archive(ctx, scratch, name)
	if archive == nil || errors.Is(archive, ErrOther) || ctx.Err() != nil {
		return archive
	}
	return fmt.Errorf("%w: download %s (or the npm package) where there is a network, and give it with --from FILE",
		archive, i.Lock.archive(i.Platform).url)
}

// given takes the library from the file From: one of the files of the lock, or the library itself.
func (i Installation) given(folder, name string) error {
	digest, err := digestOf(i.From)
	if err != nil {
		return err
	}
	files := []file{i.Lock.pack(i.Platform), i.Lock.archive(i.Platform)}
	if i.CUDA {
		files = []file{i.Lock.wheel(i.Platform)}
	}
	for _, f := range files {
		if digest == f.sha256 {
			return i.unpack(f, i.From, folder, name)
		}
	}
	if !i.CUDA && digest == i.Lock.of(i.Platform, "npm.member.sha256") {
		return copyFile(i.From, filepath.Join(folder, name))
	}
	want := files[0].name
	for _, f := range files[1:] {
		want += " or " + f.name
	}
	return fmt.Errorf("%s %w: its SHA-256 is %s; want %s", i.From, ErrOther, digest, want)
}

// publish moves the files of a folder into another one, which is made if it is not there, each by one rename. The
// library itself comes last, because its presence means that all is there.
func publish(from, to string) error {
	if err := os.Rename(from, to); err == nil {
		return nil
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	for n := range entries {
		name := entries[len(entries)-1-n].Name()
		if err := os.Rename(filepath.Join(from, name), filepath.Join(to, name)); err != nil {
			return err
		}
	}
	return nil
}

// verify returns an error that wraps ErrOther unless a file has the digest of the lock.
func verify(path, digest, what string) error {
	found, err := digestOf(path)
	if err == nil && found != digest {
		err = fmt.Errorf("%s %w: its SHA-256 is %s, want %s", what, ErrOther, found, digest)
	}
	return err
}

func digestOf(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

func copyFile(from, to string) error {
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	return writeFile(to, f)
}

// writeFile writes a new file and brings it to the disk.
func writeFile(path string, content io.Reader) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	return errors.Join(err, f.Sync(), f.Close())
}
