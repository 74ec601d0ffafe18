package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// addWheel adds the licences of the Python package that has a file. It returns false if none has it.
func (t tree) addWheel(file string) (found bool, err error) {
	information, err := wheelOf(file)
	if information == "" || err != nil {
		return false, err
	}
	name, _, _ := strings.Cut(filepath.Base(information), "-")
	texts := 0
	err = filepath.WalkDir(information, func(at string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !isLicence(d.Name()) {
			return err
		}
		texts++
		return t.copy(at, path.Join(licenceFolder, name, d.Name()))
	})
	if err == nil && texts == 0 {
		err = errors.New("there is none in " + information)
	}
	return true, err
}

func isLicence(name string) bool {
	name = strings.ToLower(name)
	return strings.HasPrefix(name, "licen") || strings.HasPrefix(name, "copying") || strings.HasPrefix(name, "notice")
}

// wheelOf returns the folder that describes the Python package of a file, in one of the folders above the file. It is
// empty if no package lists the file.
func wheelOf(file string) (string, error) {
	for above := filepath.Dir(file); above != filepath.Dir(above); above = filepath.Dir(above) {
		records, err := filepath.Glob(filepath.Join(above, "*.dist-info", "RECORD"))
		if err != nil {
			return "", fmt.Errorf("look for Python packages: %w", err)
		}
		inside, err := filepath.Rel(above, file)
		if err != nil {
			return "", err
		}
		for _, record := range records {
			if listed, err := lists(record, filepath.ToSlash(inside)); listed || err != nil {
				return filepath.Dir(record), err
			}
		}
	}
	return "", nil
}

// lists reports whether the record of a Python package has a file. Its lines are a path, a digest and a size.
func lists(record, file string) (bool, error) {
	content, err := os.ReadFile(record)
	if err != nil {
		return false, err
	}
	for lines := bufio.NewScanner(bytes.NewReader(content)); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), file+",") {
			return true, nil
		}
	}
	return false, nil
}
