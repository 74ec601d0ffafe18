package sample

import "testing"

// TestDiffers: both values are named if the states have them.
func TestDiffers(t *testing.T) {
	first := asked{"n": "aa 3", "seed": "bb 7", "sampler": "cc"}
	for want, other := range map[string]asked{
		"":                                    {"n": "aa 3", "seed": "bb 7", "sampler": "cc"},
		"with n 3, and now it is 4":           {"n": "ab 4", "seed": "bb 7", "sampler": "cc"},
		"by a command with another sampler":   {"n": "aa 3", "seed": "bb 7", "sampler": "cd"},
		"with seed 7, and now it is not set":  {"n": "aa 3", "sampler": "cc"},
		"with class not set, and now it is 1": {"class": "dd 1", "n": "aa 3", "seed": "bb 7", "sampler": "cc"},
		"by a command with another seed":      {"n": "aa", "seed": "be", "sampler": "cc"}, // of an older program
	} {
		if got := first.differs(other); got != want {
			t.Errorf("%v: %q, want %q", other, got, want)
		}
	}
}
