package parts

import (
	"io"
	"math"
	"path/filepath"
	"strings"
	"testing"
)

func TestOrderRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		paths []string
		says  string
	}{
		"a gap":          {[]string{"p-0.npy", "p-2.npy"}, "part 1 is missing, between p-0.npy and p-2.npy"},
		"no beginning":   {[]string{"p-2.npy", "p-3.npy"}, "part 0 is missing"},
		"twice":          {[]string{"p-0.npy", "p-1.npy", "p-01.npy"}, "are the same part"},
		"no number":      {[]string{"part.npy"}, "no number"},
		"different jobs": {[]string{"p-0.npy", "q-1.npy"}, "differ by one number"},
		"huge":           {[]string{"p-99999999999999999999.npy"}, "too large"},
	} {
		if _, err := order(tt.paths); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v, want %q", name, err, tt.says)
		}
	}
	if _, err := Read([]string{filepath.Join(t.TempDir(), "p-*.npy")}, 1, io.Discard); err == nil ||
		!strings.Contains(err.Error(), "p-*.npy: no file matches") {
		t.Errorf("a pattern that matches nothing: %v", err)
	}
}

// TestPartsAreTheWhole: the parts of a job follow each other without gaps, and their sizes differ by at most one.
func TestPartsAreTheWhole(t *testing.T) {
	for _, n := range []int{1, 7, 8, 50_000, 999_983, math.MaxInt32} {
		for _, count := range []int{1, 3, 7, 8, 1000} {
			if n < count {
				continue
			}
			next := uint64(0)
			for index := range count {
				offset, part := Span(n, index, count)
				if offset != next || part < n/count || part > (n+count-1)/count {
					t.Fatalf("part %d/%d of %d: %d chains from %d, want about %d from %d", index, count, n, part,
						offset, n/count, next)
				}
				next += uint64(part)
			}
			if next != uint64(n) {
				t.Errorf("%d parts of %d have %d chains", count, n, next)
			}
		}
	}
}
