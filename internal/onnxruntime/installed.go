package onnxruntime

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/langevin-ml/langevin/internal/checksums"
	"github.com/langevin-ml/langevin/internal/pinned"
)

// stamp writes the digests of the files of a folder into it. The lock knows only the files that are downloaded, and the
// libraries in the npm package.
func stamp(ctx context.Context, folder string) error {
	text, err := checksums.Of(ctx, folder)
	if err != nil {
		return err
	}
	return pinned.WriteFile(ctx, filepath.Join(folder, checksums.Name), strings.NewReader(text))
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
	return pinned.Verify(ctx, path, i.Lock.of(i.Platform, "npm.member.sha256"), path)
}
