package parts

import (
	"cmp"
	"fmt"
	"math/bits"
	"regexp"
	"slices"
	"strconv"
)

// part is a file with a part of a job.
type part struct {
	path  string
	index int
	rows  int
}

// lastNumber matches the last number in a name and what is before and after it.
var lastNumber = regexp.MustCompile(`^(.*?)([0-9]+)([^0-9]*)$`)

// order returns the parts in the order of the numbers in their names. The names must be equal but for the number, and
// the numbers must follow each other from 0 or 1.
func order(paths []string) ([]part, error) {
	var parts []part
	var before, after string
	for i, path := range paths {
		m := lastNumber.FindStringSubmatch(path)
		if m == nil {
			return nil, fmt.Errorf("%s has no number in its name: want the part's, as part-3.npy", path)
		}
		index, err := strconv.Atoi(m[2])
		if err != nil {
			return nil, fmt.Errorf("%s: the number in its name is too large", path)
		}
		if i == 0 {
			before, after = m[1], m[3]
		}
		if m[1] != before || m[3] != after {
			return nil, fmt.Errorf("%s and %s: want names that differ by one number", paths[0], path)
		}
		parts = append(parts, part{path: path, index: index})
	}
	slices.SortFunc(parts, func(a, b part) int { return cmp.Compare(a.index, b.index) })
	return parts, complete(parts)
}

// complete returns an error if a part is missing or there twice.
func complete(parts []part) error {
	if first := parts[0]; first.index > 1 {
		return fmt.Errorf("the first part is %s: part 0 is missing", first.path)
	}
	for i, p := range parts[1:] {
		switch before := parts[i]; {
		case p.index == before.index:
			return fmt.Errorf("%s and %s are the same part", before.path, p.path)
		case p.index != before.index+1:
			return fmt.Errorf("part %d is missing, between %s and %s", before.index+1, before.path, p.path)
		}
	}
	return nil
}

// Span returns the chains of a part of a job of n chains, as an offset and a number. The parts follow each other and
// their sizes differ by at most one.
func Span(n, index, count int) (offset uint64, size int) {
	at := func(index int) int {
		high, low := bits.Mul64(uint64(n), uint64(index))
		quotient, _ := bits.Div64(high, low, uint64(count))
		return int(quotient)
	}
	return uint64(at(index)), at(index+1) - at(index)
}

// fit returns an error unless the parts have the rows of a job of n.
func fit(parts []part, n int) error {
	total := 0
	for _, p := range parts {
		total += p.rows
	}
	first, last := parts[0].path, parts[len(parts)-1].path
	switch {
	case total < n:
		return fmt.Errorf("%s to %s have %d rows: want the %d of -n, so parts are missing", first, last, total, n)
	case total > n:
		return fmt.Errorf("%s to %s have %d rows: want the %d of -n, so some are of another job", first, last, total, n)
	}
	for i, p := range parts {
		if _, want := Span(n, i, len(parts)); p.rows != want {
			return fmt.Errorf("%s has %d rows: want %d, as part %d of %d of a job of %d", p.path, p.rows, want, i,
				len(parts), n)
		}
	}
	return nil
}
