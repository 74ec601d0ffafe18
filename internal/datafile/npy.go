package datafile

import (
	"encoding/binary"
	"fmt"
	"io"
	"strings"

	"github.com/langevin-ml/langevin/client"
)

// WriteNPY writes NumPy's array format, version 1.0: little-endian float32 of shape (n, ...). The header is padded so
// that the data start at a multiple of 64 bytes.
func WriteNPY(w io.Writer, b client.Batch) error {
	axes := fmt.Sprintf("%d,", b.N)
	for _, n := range b.Shape {
		axes += fmt.Sprintf(" %d,", n)
	}
	header := fmt.Sprintf("{'descr': '<f4', 'fortran_order': False, 'shape': (%s), }", axes)
	const fixed = len("\x93NUMPY\x01\x00") + 2 // and the header's length
	header += strings.Repeat(" ", 63-(fixed+len(header))%64) + "\n"
	if _, err := io.WriteString(w, "\x93NUMPY\x01\x00"); err != nil {
		return err
	}
	if err := binary.Write(w, binary.LittleEndian, uint16(len(header))); err != nil {
		return err
	}
	if _, err := io.WriteString(w, header); err != nil {
		return err
	}
	return binary.Write(w, binary.LittleEndian, b.X)
}
