package main

import (
	"bytes"
	"debug/elf"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// libraries is the shared libraries in some folders and in those below them.
type libraries struct {
	folders []string
	at      map[string]string // the path of each by the name with which the loader finds it
}

// readLibraries looks for libraries in folders. If two have the same name, the first one counts.
func readLibraries(folders []string) (libraries, error) {
	all := libraries{folders: folders, at: map[string]string{}}
	for _, folder := range folders {
		before := len(all.at)
		if err := all.read(folder); err != nil {
			return libraries{}, fmt.Errorf("-libraries: %w", err)
		}
		if len(all.at) == before {
			return libraries{}, fmt.Errorf("-libraries: %s has no further shared library", folder)
		}
	}
	return all, nil
}

// read adds the libraries of a folder. Folders named stubs have libraries without code, with which programs are linked.
func (given libraries) read(folder string) error {
	folder, err := filepath.EvalSymlinks(folder)
	if err != nil {
		return err
	}
	return filepath.WalkDir(folder, func(at string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && d.Name() == "stubs":
			return fs.SkipDir
		case d.IsDir() || !strings.Contains(d.Name(), ".so"):
			return nil
		}
		if name := soname(at); name != "" && given.at[name] == "" {
			given.at[name] = at
		}
		return nil
	})
}

// soname returns the name with which the loader finds a library, whatever the name of its file is. It is empty if the
// file is no library.
func soname(file string) string {
	f, err := elf.Open(file)
	if err != nil {
		return ""
	}
	defer f.Close()
	names, err := f.DynString(elf.DT_SONAME)
	if err != nil || len(names) != 1 {
		return ""
	}
	return names[0]
}

// namedIn returns the given libraries whose names are in the text of a file, with or without their last numbers.
func (given libraries) namedIn(file string) ([]string, error) {
	if len(given.at) == 0 {
		return nil, nil
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	texts := libraryNames(content)
	var named []string
	for name := range given.at {
		for text := range texts {
			if name == text || strings.HasPrefix(name, text+".") {
				named = append(named, name)
				break
			}
		}
	}
	slices.Sort(named)
	return named, nil
}

// libraryNames returns all texts in a file that could be the name of a library, such as libnvrtc.so.13.
func libraryNames(content []byte) map[string]bool {
	const ending = ".so"
	names := map[string]bool{}
	for rest := content; ; {
		at := bytes.Index(rest, []byte(ending))
		if at < 0 {
			return names
		}
		start, end := at, at+len(ending)
		for start > 0 && inName(rest[start-1]) {
			start--
		}
		for end < len(rest) && (rest[end] == '.' || '0' <= rest[end] && rest[end] <= '9') {
			end++
		}
		if start < at {
			names[strings.TrimRight(string(rest[start:end]), ".")] = true
		}
		rest = rest[end:]
	}
}

// inName reports whether a byte may be in the name of a library before its ending.
func inName(b byte) bool {
	return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' || b == '_' || b == '-' || b == '+'
}
