package ort

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// origin matches what ONNX Runtime writes before a message: source file, line and signature of the C++ function.
var origin = regexp.MustCompile(`\S+\.(cc|h):\d+ ([\w:&<>, *]*[\w>]\(([^()]|\([^()]*\))*\)( const)? )?`)

// plain returns ONNX Runtime's own message on one line, without its source code. err is an error of the binding, which
// is only a text.
func plain(err error) error {
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
		err = inner
	}
	text := strings.Join(strings.Fields(err.Error()), " ")
	if match := noKernel.FindStringSubmatch(text); match != nil {
		return fmt.Errorf("node %q (%s): ONNX Runtime %s has no such operator for the types that it is given here: "+
			"export the network in float32, net.float()", match[2], match[1], Version)
	}
	return errors.New(origin.ReplaceAllString(text, ""))
}

// noKernel matches the message about an operator that ONNX Runtime knows, but not for the types of its inputs.
var noKernel = regexp.MustCompile(`Could not find an implementation for (\w+)\(\d+\) node with name '([^']*)'`)
