package main

import (
	"debug/elf"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
)

// driver is the library of NVIDIA's driver. It belongs to the machine, and who starts the container adds it.
const driver = "libcuda.so"

// librariesOf returns the shared libraries that some files need, directly or through others, and the program that loads
// them: where each is in the image, and on this machine. They are those given and, if none of these has the name, those
// of the system. A given one is also needed if a file has its name in its text, since cuDNN and others load more while
// they run. The files themselves are not among them, and neither is the driver.
func librariesOf(given libraries, files ...string) (map[string]string, error) {
	found := map[string]string{}
	for waiting := files; len(waiting) > 0; waiting = waiting[1:] {
		needs, loader, err := readELF(waiting[0])
		if err != nil {
			return nil, err
		}
		if loader != "" {
			found[loader] = loader
		}
		named, err := given.namedIn(waiting[0])
		if err != nil {
			return nil, err
		}
		for _, name := range append(needs, named...) {
			if strings.HasPrefix(name, driver) || strings.HasPrefix(name, "ld-linux") {
				continue
			}
			to, from, err := given.find(name)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", waiting[0], err)
			}
			if to != loader && found[to] == "" {
				found[to] = from
				waiting = append(waiting, from)
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

// find returns where a library is in the image, and where on this machine: the given one, or the one that the system's
// loader has.
func (given libraries) find(name string) (to, from string, err error) {
	if at := given.at[name]; at != "" {
		return path.Join(givenFolder, name), at, nil
	}
	folders := []string{"/lib/x86_64-linux-gnu", "/lib/aarch64-linux-gnu", "/lib64", "/usr/lib64", "/lib", "/usr/lib",
		"/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"}
	for _, folder := range folders {
		at := path.Join(folder, name)
		if _, err := os.Stat(at); err == nil {
			return at, at, nil
		}
	}
	return "", "", fmt.Errorf("it needs %s, which is in none of %s", name,
		strings.Join(append(given.folders, folders...), ", "))
}
