package models

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"

	"github.com/gomlx/compute-onnx/support/protos"
)

// Rules bound what a model file may contain. The zero Rules are those of a server without settings.
type Rules struct {
	// MaxFileBytes is the largest size of a model file; [DefaultMaxFileBytes] if zero, and at most [MaxFileBytes].
	MaxFileBytes int64

	// Operators may be used in addition to those that score networks need. They have the names of ONNX, such as Mod,
	// with a domain before the name unless it is ONNX's own: com.microsoft.Gelu. How they are used is not checked
	// before the file is proved.
	Operators []string
}

const (
	// MaxFileBytes is the size of the largest possible model file, a limit of protocol buffers.
	MaxFileBytes = 1<<31 - 1

	// DefaultMaxFileBytes is the default of [Rules.MaxFileBytes]: a network of 268 million float32 weights. The largest
	// network of Song et al. (2021) has 108 million.
	DefaultMaxFileBytes = 1 << 30
)

// operatorPattern matches the names of operators that [Rules] can allow.
var operatorPattern = regexp.MustCompile(`^([a-z][a-z0-9.]*\.)?[A-Z][A-Za-z0-9]*$`)

// Validate returns an error that names the first rule that is out of range.
func (r Rules) Validate() error {
	if r.MaxFileBytes < 0 || r.MaxFileBytes > MaxFileBytes {
		return fmt.Errorf("the largest model file has %d bytes: want 1 to %d", r.MaxFileBytes, MaxFileBytes)
	}
	for _, name := range r.Operators {
		if !operatorPattern.MatchString(name) {
			return fmt.Errorf("operator %q: want ONNX's name, such as Mod or com.microsoft.Gelu", name)
		}
	}
	return nil
}

func (r Rules) maxFileBytes() int64 { return cmp.Or(r.MaxFileBytes, DefaultMaxFileBytes) }

// Decode parses the bytes of an .onnx file with manifest m and checks it with [Rules.Check]. Errors wrap [ErrInvalid].
func (r Rules) Decode(file []byte, m Manifest) (*protos.ModelProto, error) {
	model, err := Parse(file)
	if err != nil {
		return nil, err
	}
	return model, r.Check(model, m)
}

// Decode is [Rules.Decode] with the zero Rules.
func Decode(file []byte, m Manifest) (*protos.ModelProto, error) { return Rules{}.Decode(file, m) }

// Check returns an error unless ONNX Runtime may open model as the graph of m. The contract: inputs x and sigma and
// output score are float32, in the manifest's shape with a free first axis. There is a third input, c, exactly if the
// manifest has a [Condition], which says its type. All operators are among those that score networks need, or allowed
// by r: none of them reads other files, draws random numbers, combines the rows of a batch or contains a graph. The
// shapes of all values depend on nothing but the number of rows, and no integer is divided by one that could be 0. No
// tensor is stored in another file, or sparse, and all have the number of elements that their shapes say. There are no
// functions in the model and no training graphs. The error wraps [ErrInvalid] and names the tensor or node.
func (r Rules) Check(model *protos.ModelProto, m Manifest) error {
	if err := r.check(model, m); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return nil
}

// Check is [Rules.Check] with the zero Rules.
func Check(model *protos.ModelProto, m Manifest) error { return Rules{}.Check(model, m) }

// named returns the name of a node's operator in [Rules.Operators].
func named(node *protos.NodeProto) string {
	if isDefaultDomain(node.GetDomain()) {
		return node.GetOpType()
	}
	return node.GetDomain() + "." + node.GetOpType()
}

// brief shortens a name from a file, so that a message has one short line.
func brief(name string) string {
	const most = 80
	if len(name) <= most {
		return name
	}
	return strings.ToValidUTF8(name[:most], "") + "..."
}
