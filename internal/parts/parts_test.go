package parts

import (
	"io"
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
	if _, err := Read([]string{filepath.Join(t.TempDir(), "p-*.npy")}, io.Discard); err == nil ||
		!strings.Contains(err.Error(), "p-*.npy: no file matches") {
		t.Errorf("a pattern that matches nothing: %v", err)
	}
}
