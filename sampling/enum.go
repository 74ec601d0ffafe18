package sampling

import (
	"fmt"
	"slices"
	"strings"
)

// enum is a setting with a few named values. Its values count from 0. An empty word marks a value that does not exist.
type enum interface {
	~int
	words() []string
}

// word returns the word for e, or its number if it has none.
func word[E enum](e E) string {
	if words := e.words(); hasWord(e) {
		return words[e]
	}
	return fmt.Sprint(int(e))
}

func hasWord[E enum](e E) bool {
	words := e.words()
	return e >= 0 && int(e) < len(words) && words[e] != ""
}

// checkWord returns a [FieldError] unless e is a named value.
func checkWord[E enum](field string, e E) error {
	if hasWord(e) {
		return nil
	}
	return &FieldError{Field: field, Given: word(e), Want: choices(e)}
}

func choices[E enum](e E) string {
	words := slices.DeleteFunc(e.words(), func(w string) bool { return w == "" })
	return "one of " + strings.Join(words, ", ")
}
