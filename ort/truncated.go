package ort

import (
	"debug/elf"
	"debug/macho"
	"errors"
	"fmt"
	"io"
	"os"
)

// checkWhole returns an error if a library ends before what its headers say it has. The loader maps such a file, and
// the process ends at the first access to what is missing. It is the loader who refuses what is no library at all.
func checkWhole(path string) error {
	info, err := os.Stat(path) //nolint:gosec // G703: the operator names the library
	if err != nil {
		return err
	}
	end, err := endOf(path)
	if other := (*elf.FormatError)(nil); errors.As(err, &other) {
		return nil
	}
	if other := (*macho.FormatError)(nil); errors.As(err, &other) {
		return nil
	}
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%s is not an ONNX Runtime library, or truncated: its headers lead beyond its %d bytes", path,
			info.Size())
	case err != nil:
		return fmt.Errorf("%s: %w", path, err)
	case end > uint64(info.Size()):
		return fmt.Errorf("%s is truncated: it has %d bytes of %d", path, info.Size(), end)
	}
	return nil
}

// endOf returns the least size that a library can have by its headers.
func endOf(path string) (end uint64, err error) {
	if m, err := macho.Open(path); err == nil {
		defer m.Close()
		for _, l := range m.Loads {
			if s, ok := l.(*macho.Segment); ok {
				end = max(end, s.Offset+s.Filesz)
			}
		}
		return end, nil
	}
	e, err := elf.Open(path)
	if err != nil {
		return 0, err
	}
	defer e.Close()
	for _, p := range e.Progs {
		end = max(end, p.Off+p.Filesz)
	}
	for _, s := range e.Sections {
		if s.Type != elf.SHT_NOBITS {
			end = max(end, s.Offset+s.FileSize)
		}
	}
	return end, nil
}
