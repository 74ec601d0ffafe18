package models

import (
	"errors"
	"fmt"

	"github.com/gomlx/compute-onnx/support/protos"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

const (
	// maxDepth is how deep messages may be nested. The C++ parser in ONNX Runtime has the same limit.
	maxDepth = 100

	// A decoded file may take spareBytes, and twice its own size. Weights take as much memory as they have bytes, but
	// an empty message has two bytes in the file and messageBytes in memory.
	spareBytes   = 64 << 20
	messageBytes = 256
	stringBytes  = 32
	numberBytes  = 8
)

// Parse decodes the bytes of an .onnx file. It refuses a file whose parts take much more memory than the file, before
// it decodes them. Errors wrap [ErrInvalid].
func Parse(file []byte) (*protos.ModelProto, error) {
	if len(file) == 0 {
		return nil, fmt.Errorf("%w: the file is empty", ErrInvalid)
	}
	model := &protos.ModelProto{}
	need, err := footprint(file, model.ProtoReflect().Descriptor(), 0)
	if err == nil && need > 2*int64(len(file))+spareBytes {
		return nil, fmt.Errorf("%w: %d bytes that would decode to %d MiB: "+
			"want a network, whose bytes are mostly weights", ErrInvalid, len(file), need>>20)
	}
	if err == nil {
		err = proto.UnmarshalOptions{RecursionLimit: maxDepth}.Unmarshal(file, model)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: not an ONNX file, or a damaged one: %w", ErrInvalid, err)
	}
	return model, nil
}

// footprint estimates how many bytes of memory a message takes when it is decoded.
func footprint(message []byte, of protoreflect.MessageDescriptor, depth int) (need int64, err error) {
	if depth > maxDepth {
		return 0, errors.New("messages are nested too deep")
	}
	need = messageBytes
	err = eachValue(message, func(number protowire.Number, kind protowire.Type, value []byte) error {
		field := of.Fields().ByNumber(number)
		switch {
		case kind != protowire.BytesType:
			need += numberBytes
		case field == nil:
			need += int64(len(value))
		case field.Kind() == protoreflect.MessageKind:
			inner, err := footprint(value, field.Message(), depth+1)
			need += inner
			return err
		case field.Kind() == protoreflect.StringKind || field.Kind() == protoreflect.BytesKind:
			need += stringBytes + int64(len(value))
		default:
			need += packed(field.Kind(), value)
		}
		return nil
	})
	return need, err
}

// packed returns the size in memory of a list of numbers in its packed form.
func packed(kind protoreflect.Kind, list []byte) int64 {
	switch kind {
	case protoreflect.FloatKind, protoreflect.DoubleKind, protoreflect.Fixed32Kind, protoreflect.Fixed64Kind,
		protoreflect.Sfixed32Kind, protoreflect.Sfixed64Kind:
		return int64(len(list))
	}
	numbers := int64(0)
	for _, b := range list {
		if b < 0x80 { // the last byte of a number
			numbers++
		}
	}
	return numbers * numberBytes
}
