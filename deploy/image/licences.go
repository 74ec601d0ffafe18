package main

import (
	"fmt"
	"io/fs"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

// documentation is where Debian keeps the copyright of each package, and common the licences that those refer to.
const documentation, common = "/usr/share/doc", "/usr/share/common-licenses"

// addFolder adds the files of a folder of licences, which tools/licences.sh writes.
func (t tree) addFolder(licences string) error {
	return filepath.WalkDir(licences, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		inside, err := filepath.Rel(licences, name)
		if err != nil {
			return err
		}
		return t.copy(name, path.Join(licenceFolder, filepath.ToSlash(inside)))
	})
}

// addCopyrights adds the licences of the Python package of each file. If it is of none, these are the copyright of its
// Debian package, and the licences that this refers to.
func (t tree) addCopyrights(files ...string) error {
	referred := regexp.MustCompile(common + `/([A-Za-z0-9][A-Za-z0-9.+-]*[A-Za-z0-9])`)
	for _, file := range files {
		if found, err := t.addWheel(file); err != nil {
			return fmt.Errorf("licence of %s: %w", file, err)
		} else if found {
			continue
		}
		owner, err := packageOf(file)
		if err != nil {
			return err
		}
		to := path.Join(licenceFolder, owner, "copyright")
		if err := t.copy(path.Join(documentation, owner, "copyright"), to); err != nil {
			return fmt.Errorf("licence of %s: %w", file, err)
		}
		for _, match := range referred.FindAllStringSubmatch(string(t[to].content), -1) {
			if err := t.copy(match[0], path.Join(licenceFolder, "common-licenses", match[1])); err != nil {
				return fmt.Errorf("licence of %s: %w", file, err)
			}
		}
	}
	return nil
}

// packageOf returns the Debian package of a file. The package may name it by its path with or without /usr, and without
// links.
func packageOf(file string) (string, error) {
	real, err := filepath.EvalSymlinks(file)
	if err != nil {
		return "", err
	}
	for _, name := range []string{file, real, "/usr" + file, strings.TrimPrefix(real, "/usr")} {
		out, err := exec.Command("dpkg-query", "--search", name).Output()
		if owner, _, found := strings.Cut(string(out), ":"); err == nil && found {
			return owner, nil
		}
	}
	return "", fmt.Errorf("licence of %s: no Debian package has it: build the image on Debian", file)
}
