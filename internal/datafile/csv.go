package datafile

import (
	"bufio"
	"io"
	"strconv"

	"github.com/langevin-ml/langevin/client"
)

// WriteCSV writes a line for each row, in order. Every number is the shortest that reads back as the same float32.
func WriteCSV(w io.Writer, b client.Batch) error {
	buffered := bufio.NewWriter(w)
	var line []byte
	for i := range b.N {
		line = line[:0]
		for j, v := range b.Row(i) {
			if j > 0 {
				line = append(line, ',')
			}
			line = strconv.AppendFloat(line, float64(v), 'g', -1, 32)
		}
		if _, err := buffered.Write(append(line, '\n')); err != nil {
			return err
		}
	}
	return buffered.Flush()
}
