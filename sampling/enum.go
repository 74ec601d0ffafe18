package sampling

import (
	"fmt"
	"slices"
	"strings"
)

// enum is a setting that is one of a few words. Its values count from 0; an empty word belongs to no value.
type enum interface {
	~int
	words() []string
}

// word returns the word of e, or its number if it has none.
func word[E enum](e E) string {
	if words := e.words(); known(e) {
		return words[e]
	}
	return fmt.Sprint(int(e))
}

func known[E enum](e E) bool {
	words := e.words()
	return e >= 0 && int(e) < len(words) && words[e] != ""
}

// choose checks that e is one of its words.
func choose[E enum](field string, e E) error {
	if known(e) {
		return nil
	}
	return &FieldError{Field: field, Given: word(e), Want: choices(e)}
}

func choices[E enum](e E) string {
	words := slices.DeleteFunc(e.words(), func(w string) bool { return w == "" })
	return "one of " + strings.Join(words, ", ")
}

func marshalWord[E enum](field string, e E) ([]byte, error) {
	return []byte(word(e)), choose(field, e)
}

func unmarshalWord[E enum](field string, e *E, text []byte) error {
	i := slices.Index((*e).words(), string(text))
	if i < 0 || len(text) == 0 {
		return &FieldError{Field: field, Given: fmt.Sprintf("%q", text), Want: choices(*e)}
	}
	*e = E(i)
	return nil
}
