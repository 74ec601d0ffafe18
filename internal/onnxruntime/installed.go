package onnxruntime

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/langevin-ml/langevin/internal/checksums"
	"github.com/langevin-ml/langevin/internal/filelock"
)

// stamp writes the digests of the files of a folder into it. The lock knows only the files that are downloaded, and the
// libraries in the npm package.
func stamp(ctx context.Context, folder string) error {
	text, err := checksums.Of(ctx, folder)
	if err != nil {
		return err
	}
	return writeFile(ctx, filepath.Join(folder, checksums.Name), strings.NewReader(text))
}

// whole returns an error unless the library at path, and what was installed with it, are as they were installed. The
// folder of an older version of Langevin has no digests; there the lock decides.
func (i Installation) whole(ctx context.Context, path string) error {
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return errors.Join(fmt.Errorf("%s is no plain file", path), err)
	}
	if named, err := checksums.Check(ctx, path); named || err != nil {
		return err
	}
	return verify(ctx, path, i.Lock.of(i.Platform, "npm.member.sha256"), path)
}

// scratchName begins the name of a folder in which an installation works.
const scratchName = "fetch."

// makeScratch makes a folder to work in. It is locked until discard removes it, so that others can tell it from one
// that a killed process has left.
func makeScratch(in string) (path string, discard func(), err error) {
	for {
		path, err := os.MkdirTemp(in, scratchName)
		if err != nil {
			return "", nil, err
		}
		f, err := os.Open(path)
		if errors.Is(err, fs.ErrNotExist) { // another process took it for one that was left
			continue
		}
		if err != nil {
			return "", nil, err
		}
		ours, err := filelock.Try(f)
		if ours {
			return path, func() { _ = os.RemoveAll(path); _ = f.Close() }, nil
		}
		_ = f.Close()
		if err != nil && !errors.Is(err, filelock.ErrTaken) {
			return "", nil, err
		}
	}
}

// removeStale removes the folders in which installations worked that were killed. One that cannot be removed disturbs
// nobody.
func removeStale(in string) {
	left, err := filepath.Glob(filepath.Join(in, scratchName+"*"))
	if err != nil { // for a name with brackets
		return
	}
	for _, path := range left {
		f, err := os.Open(path)
		if err != nil {
			continue
		}
		if ours, _ := filelock.Try(f); ours {
			_ = os.RemoveAll(path)
		}
		_ = f.Close()
	}
}
