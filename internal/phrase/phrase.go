// Package phrase words numbers, durations, lists and errors for people.
package phrase

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Plural is "1 sample", "2,000 samples".
func Plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return Grouped(int64(n)) + " " + noun + "s"
}

// Grouped writes n with commas between its thousands.
func Grouped(n int64) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// OneLine is err's text with every line break a space.
func OneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

// Short writes a large number with three digits: 12.3k, 4.56M.
func Short(v float64) string {
	for _, unit := range []string{"", "k", "M"} {
		if v < 1000 {
			return fmt.Sprintf("%.3g%s", v, unit)
		}
		v /= 1000
	}
	return fmt.Sprintf("%.3gG", v)
}

// Tidy rounds d to what a person reads.
func Tidy(d time.Duration) time.Duration {
	switch {
	case d >= time.Minute:
		return d.Round(time.Second)
	case d >= time.Second:
		return d.Round(100 * time.Millisecond)
	}
	return d.Round(time.Millisecond)
}

// Alternatives is "a, b or c".
func Alternatives[W ~string](words []W) string {
	text := ""
	for i, w := range words {
		switch {
		case i == 0:
		case i == len(words)-1:
			text += " or "
		default:
			text += ", "
		}
		text += string(w)
	}
	return text
}

// Quoted quotes text that would not stand out by itself.
func Quoted(text string) string {
	if text == "" || strings.ContainsAny(text, " \t\n") {
		return strconv.Quote(text)
	}
	return text
}
