// Package phrase words numbers, durations, lists and errors for people.
package phrase

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Plural returns "1 sample" or "2,000 samples".
func Plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return Grouped(int64(n)) + " " + noun + "s"
}

// Grouped formats n with commas between its thousands.
func Grouped(n int64) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// OneLine returns the text of err in one line, with a semicolon between the lines of several mistakes. A line that ends
// with a colon continues in the next.
func OneLine(err error) string {
	var text strings.Builder
	for line := range strings.Lines(err.Error()) {
		words := strings.Join(strings.Fields(line), " ")
		switch {
		case words == "" || text.Len() == 0:
		case strings.HasSuffix(text.String(), ":"):
			text.WriteString(" ")
		default:
			text.WriteString("; ")
		}
		text.WriteString(words)
	}
	return text.String()
}

// Short formats a large number with three digits: 12.3k, 4.56M.
func Short(v float64) string {
	for _, unit := range []string{"", "k", "M"} {
		if v < 1000 {
			return fmt.Sprintf("%.3g%s", v, unit)
		}
		v /= 1000
	}
	return fmt.Sprintf("%.3gG", v)
}

// Tidy rounds a duration for people.
func Tidy(d time.Duration) time.Duration {
	switch {
	case d >= time.Minute:
		return d.Round(time.Second)
	case d >= time.Second:
		return d.Round(100 * time.Millisecond)
	}
	return d.Round(time.Millisecond)
}

// Alternatives returns "a, b or c".
func Alternatives[W ~string](words []W) string { return list(words, " or ") }

// All returns "a, b and c".
func All[W ~string](words []W) string { return list(words, " and ") }

// list joins words by commas, the last by another text.
func list[W ~string](words []W, last string) string {
	text := ""
	for i, w := range words {
		switch {
		case i == 0:
		case i == len(words)-1:
			text += last
		default:
			text += ", "
		}
		text += string(w)
	}
	return text
}

// Quoted returns text, in quotes if it is empty or has white space.
func Quoted(text string) string {
	if text == "" || strings.ContainsAny(text, " \t\n") {
		return strconv.Quote(text)
	}
	return text
}
