package drawing

import (
	"testing"
)

func TestMaskCoversPart(t *testing.T) {
	for _, tt := range []struct {
		mask, sample []int
		want         bool
	}{
		{[]int{2}, []int{1, 2}, true},
		{[]int{28, 28}, []int{1, 28, 28}, true},
		{[]int{32, 32}, []int{3, 32, 32}, true},
		{[]int{1, 32, 32}, []int{1, 3, 32, 32}, true},
		{[]int{3, 32, 32}, []int{3, 32, 32}, true},
		{[]int{32, 28}, []int{3, 28, 32}, false},
		{[]int{2}, []int{3, 2}, false},
		{[]int{784}, []int{1, 28, 28}, false},
	} {
		if got := coversPart(tt.mask, tt.sample); got != tt.want {
			t.Errorf("mask %v of %v: %t", tt.mask, tt.sample, got)
		}
	}
}
