package ort

import (
	"errors"
	"regexp"
	"strings"
)

// origin matches what ONNX Runtime writes before a message: source file, line and signature of the C++ function.
var origin = regexp.MustCompile(`\S+\.(cc|h):\d+ ([\w:&<>, *]*[\w>]\(([^()]|\([^()]*\))*\)( const)? )?`)

// plain is the message of ONNX Runtime itself on one line, without its own source code. err is an error of the binding,
// which is text and nothing else.
func plain(err error) error {
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
		err = inner
	}
	text := strings.Join(strings.Fields(err.Error()), " ")
	return errors.New(origin.ReplaceAllString(text, ""))
}
