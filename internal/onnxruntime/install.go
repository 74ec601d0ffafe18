package onnxruntime

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/langevin-ml/langevin/internal/checksums"
	"github.com/langevin-ml/langevin/internal/pinned"
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

// Install downloads the library, unless it is there whole and no file is given, and returns its path. The library
// becomes visible only after its digest matches the lock, and then by one rename. So an installation may be interrupted
// at any point, and two may race. What an interrupted one has left is removed.
func (i Installation) Install(ctx context.Context) (string, error) {
	path, err := i.Path()
	if err != nil {
		return "", err
	}
	if err := i.install(ctx, path); err != nil {
		if ctx.Err() != nil { // a program that the end of ctx has killed says something else
			err = ctx.Err()
		}
		return "", fmt.Errorf("install ONNX Runtime %s: %w", i.Lock.Version(), err)
	}
	return path, nil
}

func (i Installation) install(ctx context.Context, path string) error {
	pinned.RemoveStale(i.Folder)
	if _, err := os.Stat(path); err == nil && i.From == "" {
		err := i.whole(ctx, path)
		if err == nil {
			i.Say("ONNX Runtime %s is at %s", i.Lock.Version(), path)
			return nil
		}
		i.Say("installing again: %v", err)
	}
	if err := os.MkdirAll(i.Folder, 0o755); err != nil {
		return err
	}
	scratch, discard, err := pinned.MakeScratch(i.Folder)
	if err != nil {
		return err
	}
	defer discard()
	if err := i.fill(ctx, scratch, filepath.Base(path)); err != nil {
		return err
	}
	folder := filepath.Join(scratch, libraries)
	if err := stamp(ctx, folder); err != nil {
		return err
	}
	if err := publish(folder, filepath.Dir(path)); err != nil {
		return err
	}
	i.Say("ONNX Runtime %s is now at %s", i.Lock.Version(), path)
	return nil
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
		return i.given(ctx, folder, name)
	case i.CUDA:
		return i.wheel(ctx, scratch)
	}
	npm := i.npm(ctx, scratch, name)
	if npm == nil || errors.Is(npm, pinned.ErrOther) || ctx.Err() != nil {
		return npm // somebody should find out why a file is another one, so no other source is tried
	}
	i.Say("%v", npm)
	archive := i.archive(ctx, scratch, name)
	if archive == nil || errors.Is(archive, pinned.ErrOther) || ctx.Err() != nil {
		return archive
	}
	return fmt.Errorf("%w: download %s (or the npm package) where there is a network, and give it with --from FILE",
		archive, i.Lock.archive(i.Platform).url)
}

// given takes the library from the file From: one of the files of the lock, or the library itself.
func (i Installation) given(ctx context.Context, folder, name string) error {
	files := []file{i.Lock.pack(i.Platform), i.Lock.archive(i.Platform)}
	if i.CUDA {
		files = []file{i.Lock.wheel(i.Platform)}
	}
	if err := plain(i.From, files); err != nil {
		return err
	}
	digest, err := checksums.Digest(ctx, i.From)
	if err != nil {
		return err
	}
	for _, f := range files {
		if digest == f.sha256 {
			return i.unpack(ctx, f, i.From, folder, name)
		}
	}
	if !i.CUDA && digest == i.Lock.of(i.Platform, "npm.member.sha256") {
		return copyFile(ctx, i.From, filepath.Join(folder, name))
	}
	want := files[0].name
	for _, f := range files[1:] {
		want += " or " + f.name
	}
	return fmt.Errorf("%s %w: its SHA-256 is %s; want %s", i.From, pinned.ErrOther, digest, want)
}

// plain returns an error unless a path names a plain file that is not larger than all files of the lock. A library is
// smaller than what it is packed in.
func plain(path string, files []file) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is no plain file: want one that was downloaded", path)
	}
	most := int64(0)
	for _, f := range files {
		most = max(most, f.size())
	}
	if info.Size() > most {
		return fmt.Errorf("%s %w: it has %d bytes, want at most %d", path, pinned.ErrOther, info.Size(), most)
	}
	return nil
}

// publish moves the files of a folder into another one, which is made if it is not there, each by one rename. The
// library itself comes after what belongs to it, because its presence means that all is there, and the digests last.
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

func copyFile(ctx context.Context, from, to string) error {
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	return pinned.WriteFile(ctx, to, f)
}
