package sample

import (
	"maps"
	"testing"
)

// TestDiffers: both values are named if the states have them.
func TestDiffers(t *testing.T) {
	first := asked{"n": "aa 3", "seed": "bb 7", "sampler": "cc", "sum": "ff null"}
	for _, c := range []struct{ field, value, want string }{
		{"n", "aa 3", ""},
		{"n", "aa", ""}, // of an older program
		{"n", "ab 4", "with n 3, and now it is 4"},
		{"n", "ab", "by a command with another n"},
		{"seed", "", "with seed 7, and now it is not set"},
		{"sampler", "cd", "by a command with another sampler"},
		{"sum", "fe [1]", "with sum not set, and now it is [1]"},
		{"class", "dd 1", "with class not set, and now it is 1"},
	} {
		other := maps.Clone(first)
		if other[c.field] = c.value; c.value == "" {
			delete(other, c.field)
		}
		if got := first.differs(other); got != c.want {
			t.Errorf("%s %q: %q, want %q", c.field, c.value, got, c.want)
		}
	}
}
