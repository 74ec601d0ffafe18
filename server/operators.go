package server

import "strings"

// Operators are names of operators. Their text form is Mod,com.microsoft.Gelu.
type Operators []string

// UnmarshalText reads the text form. Empty text means no operators.
func (o *Operators) UnmarshalText(text []byte) error {
	*o = nil
	for part := range strings.FieldsFuncSeq(string(text), func(r rune) bool { return r == ',' }) {
		*o = append(*o, strings.TrimSpace(part))
	}
	return nil
}

// String returns the text form.
func (o Operators) String() string { return strings.Join(o, ",") }
