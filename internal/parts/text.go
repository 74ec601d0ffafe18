package parts

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/langevin-ml/langevin/internal/phrase"
	"github.com/langevin-ml/langevin/internal/wholefile"
)

// Text is the parts of a job whose rows have names of columns: CSV files that begin with the same line.
type Text struct {
	parts []part // in order
	rows  int    // of all parts, as they must be
	names string // the first line
	width int    // columns
}

// OpenText returns the parts of a job of n rows as text, in the order of the numbers in their names, or nil if the
// first of them does not begin with the names of columns. A path may be a pattern.
func OpenText(paths []string, n int) (*Text, error) {
	found, err := Expand(paths)
	if err != nil {
		return nil, err
	}
	parts, err := order(found)
	if err != nil {
		return nil, err
	}
	first := parts[0].path
	if !strings.EqualFold(filepath.Ext(first), ".csv") {
		return nil, nil
	}
	line, err := firstLine(first)
	if err != nil {
		return nil, err
	}
	fields, err := fieldsOf(line)
	if err != nil || !slices.ContainsFunc(fields, isWord) {
		return nil, nil
	}
	return &Text{parts: parts, rows: n, names: string(line), width: len(fields)}, nil
}

func isWord(field string) bool {
	_, err := strconv.ParseFloat(strings.TrimSpace(field), 64)
	return err != nil && !errors.Is(err, strconv.ErrRange)
}

func firstLine(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, wholefile.Cause(err))
	}
	defer f.Close()
	line, err := bufio.NewReader(f).ReadBytes('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read %s: %w", path, wholefile.Cause(err))
	}
	return bytes.TrimRight(line, "\r\n"), nil
}

// fieldsOf returns the fields of a line.
func fieldsOf(line []byte) ([]string, error) {
	if bytes.IndexByte(line, 0) >= 0 {
		return nil, errors.New("it is not text")
	}
	return csv.NewReader(bytes.NewReader(line)).Read()
}

// Len returns the number of parts.
func (t *Text) Len() int { return len(t.parts) }

// Write writes the line with the names once, and then the rows of all parts as they are. It returns the number of rows.
// An error says which part is not one of the job: it begins with other names, a row has more or fewer fields, or it has
// another number of rows.
func (t *Text) Write(w io.Writer) (rows int, err error) {
	if _, err := fmt.Fprintf(w, "%s\n", t.names); err != nil {
		return 0, err
	}
	for i, p := range t.parts {
		n, err := t.copyRows(w, p.path)
		if err != nil {
			return 0, err
		}
		t.parts[i].rows = n
	}
	return t.rows, fit(t.parts, t.rows)
}

func (t *Text) copyRows(w io.Writer, path string) (rows int, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", path, wholefile.Cause(err))
	}
	defer f.Close()
	r := bufio.NewReader(f)
	for number := 1; ; number++ {
		line, err := r.ReadBytes('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, fmt.Errorf("read %s: %w", path, wholefile.Cause(err))
		}
		ended := err != nil
		line = bytes.TrimRight(line, "\r\n")
		switch {
		case number == 1 && string(line) != t.names:
			return 0, fmt.Errorf("%s begins with %s, and %s with %s: want the same names of columns, as parts of one "+
				"job have them", path, phrase.Quoted(string(line)), t.parts[0].path, phrase.Quoted(t.names))
		case number > 1 && len(line) > 0:
			if fields, err := fieldsOf(line); err != nil || len(fields) != t.width {
				return 0, fmt.Errorf("%s, line %d has %d fields: want the %d of its columns", path, number, len(fields),
					t.width)
			}
			if _, err := w.Write(append(line, '\n')); err != nil {
				return 0, err
			}
			rows++
		}
		if ended {
			return rows, nil
		}
	}
}
