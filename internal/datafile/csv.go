package datafile

import (
	"bufio"
	"io"
	"strconv"

	"github.com/langevin-ml/langevin/client"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// WriteTable writes a line with the names of columns, and one for each row, with the words of categories. Without
// columns it is [WriteCSV].
func WriteTable(w io.Writer, columns []client.Column, b client.Batch) error {
	if columns == nil {
		return WriteCSV(w, b)
	}
	buffered, table := bufio.NewWriter(w), client.TableMessage(columns)
	line := langevinv1.AppendCSV(nil, table)
	for i := range b.N {
		if _, err := buffered.Write(append(line, '\n')); err != nil {
			return err
		}
		line = langevinv1.AppendCSVRow(line[:0], table, b.Row(i))
	}
	if _, err := buffered.Write(append(line, '\n')); err != nil {
		return err
	}
	return buffered.Flush()
}

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
