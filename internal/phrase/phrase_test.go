package phrase

import (
	"errors"
	"fmt"
	"testing"
)

func TestGrouped(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		if got := Grouped(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
	if got := fmt.Sprint(Short(999), Short(12345), Short(4.56e6)); got != "99912.3k4.56M" {
		t.Error(got)
	}
}

func TestOneLine(t *testing.T) {
	for text, want := range map[string]string{
		"one  mistake":                   "one mistake",
		"one mistake\nanother\n\tof two": "one mistake; another; of two",
		"no model rng:\nnear are ring":   "no model rng: near are ring",
		"":                               "",
	} {
		if got := OneLine(errors.New(text)); got != want {
			t.Errorf("%q in one line is %q, want %q", text, got, want)
		}
	}
}
