package main

import (
	"fmt"
	"math"
	"strconv"
)

// number formats v with three significant digits.
func number(v float64) string {
	if v >= 1000 {
		scale := math.Pow(10, math.Floor(math.Log10(v))-2)
		return thousands(int(math.Round(v/scale) * scale))
	}
	return fmt.Sprintf("%.3g", v)
}

// thousands formats n with a comma between groups of three digits.
func thousands(n int) string {
	digits := strconv.Itoa(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

func micros(seconds float64) string { return number(seconds*1e6) + " µs" }
func millis(seconds float64) string { return number(seconds*1e3) + " ms" }
func times(ratio float64) string    { return fmt.Sprintf("%.3gx", ratio) }
func percent(share float64) string  { return fmt.Sprintf("%.0f %%", 100*share) }

func megabytes(n int64) string {
	if n == 0 {
		return "not known"
	}
	return fmt.Sprintf("%d MB", n>>20)
}

// met returns whether a target was met, or nothing if it was not measured.
func met(ok, measured bool) string {
	switch {
	case !measured:
		return ""
	case ok:
		return "yes"
	}
	return "**no**"
}
