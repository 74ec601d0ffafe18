package data

import (
	"archive/zip"
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// readNPZ reads an array from a zip file of .npy files: the array called name, or the only one if name is empty.
func readNPZ(f io.ReaderAt, size int64, name string, d decoder) (Array, error) {
	archive, err := zip.NewReader(f, size)
	if err != nil {
		return Array{}, err
	}
	var names []string
	var found *zip.File
	for _, file := range archive.File {
		key, ok := strings.CutSuffix(file.Name, ".npy")
		if !ok || hidden(file.Name) {
			continue
		}
		names = append(names, key)
		if found == nil && (name == "" || name == key) {
			found = file
		}
	}
	switch {
	case slices.ContainsFunc(archive.File, func(f *zip.File) bool { return f.Name == "xl/workbook.xml" }):
		return Array{}, errors.New("it is a workbook of Excel: save its sheet as CSV")
	case len(names) == 0:
		return Array{}, errors.New("it is a zip file without an array, as numpy.savez puts into it")
	case found == nil:
		return Array{}, fmt.Errorf("it has no array %q: want one of %s", name, strings.Join(names, ", "))
	case name == "" && len(names) > 1:
		return Array{}, fmt.Errorf("it has %d arrays: want one of %s behind its name, as in file.npz:%s",
			len(names), strings.Join(names, ", "), names[0])
	}
	a, err := readMember(found, size, d)
	if err != nil {
		return Array{}, fmt.Errorf("array %s: %w", strings.TrimSuffix(found.Name, ".npy"), err)
	}
	return a, nil
}

// readMember reads a file of an archive, which has the given number of bytes.
func readMember(file *zip.File, archive int64, d decoder) (Array, error) {
	const mostOfDeflate = 1032 // largest number of bytes for one compressed byte
	claimed := file.UncompressedSize64
	if claimed/mostOfDeflate > uint64(archive) {
		return Array{}, fmt.Errorf("it claims %d bytes, which %d compressed ones cannot hold", claimed, archive)
	}
	r, err := file.Open()
	if err != nil {
		return Array{}, err
	}
	defer r.Close()
	return decodeNPY(bufio.NewReaderSize(r, 1<<16), unknownSize, d)
}
