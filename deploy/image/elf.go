package main

import (
	"debug/elf"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
)

// librariesOf returns the shared libraries that some files need, directly or through others, and the program that loads
// them: where each is in the image, and on this machine. The files themselves are not among them.
func librariesOf(files ...string) (map[string]string, error) {
	found := map[string]string{}
	for waiting := files; len(waiting) > 0; waiting = waiting[1:] {
		needs, loader, err := readELF(waiting[0])
		if err != nil {
			return nil, err
		}
		if loader != "" {
			found[loader] = loader
		}
		for _, name := range needs {
			at, err := find(name)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", waiting[0], err)
			}
			if at != loader && !strings.HasPrefix(name, "ld-linux") && found[at] == "" {
				found[at] = at
				waiting = append(waiting, at)
			}
		}
	}
	return found, nil
}

// readELF returns the names of the libraries that a file needs, and the path of its loader if it is a program.
func readELF(name string) (needs []string, loader string, err error) {
	f, err := elf.Open(name)
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", name, err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			text, err := io.ReadAll(p.Open())
			if err != nil {
				return nil, "", fmt.Errorf("%s: %w", name, err)
			}
			loader = strings.TrimRight(string(text), "\x00")
		}
	}
	if needs, err = f.ImportedLibraries(); err != nil {
		return nil, "", fmt.Errorf("%s: %w", name, err)
	}
	return needs, loader, nil
}

// find returns where the system's loader has a library.
func find(name string) (string, error) {
	folders := []string{"/lib/x86_64-linux-gnu", "/lib/aarch64-linux-gnu", "/lib64", "/usr/lib64", "/lib", "/usr/lib",
		"/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"}
	for _, folder := range folders {
		at := path.Join(folder, name)
		if _, err := os.Stat(at); err == nil {
			return at, nil
		}
	}
	return "", fmt.Errorf("it needs %s, which is in none of %s", name, strings.Join(folders, ", "))
}
