package web

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strconv"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// appendJSON writes a message for people. Fields have their names in the .proto. Numbers are numbers, but those above
// 2^53, which JavaScript cannot represent, are strings. Durations are in seconds, enums are the ends of their names in
// lower case, and tensors are arrays of rows. Empty strings and lists and unset messages are left out.
func appendJSON(b []byte, m proto.Message) []byte { return appendMessage(b, m.ProtoReflect()) }

func appendMessage(b []byte, m protoreflect.Message) []byte {
	switch t := m.Interface().(type) {
	case *durationpb.Duration:
		return appendFloat(b, t.AsDuration().Seconds(), 64)
	case *langevinv1.Tensor:
		return appendTensor(b, t)
	}
	b = append(b, '{')
	fields := m.Descriptor().Fields()
	first := true
	for i := range fields.Len() {
		field := fields.Get(i)
		if !written(m, field) {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(appendString(b, string(field.Name())), ':')
		b = appendField(b, field, m.Get(field))
	}
	return append(b, '}')
}

// written reports whether a field is worth writing: a step of 0 is, an empty error is not.
func written(m protoreflect.Message, field protoreflect.FieldDescriptor) bool {
	if m.Has(field) {
		return true
	}
	switch field.Kind() {
	case protoreflect.StringKind, protoreflect.BytesKind, protoreflect.EnumKind, protoreflect.MessageKind:
		return false
	}
	return !field.HasPresence() && !field.IsList()
}

func appendField(b []byte, field protoreflect.FieldDescriptor, v protoreflect.Value) []byte {
	switch {
	case field.IsMap():
		return appendMap(b, field, v.Map())
	case !field.IsList():
		return appendScalar(b, field, v)
	}
	b = append(b, '[')
	for i := range v.List().Len() {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendScalar(b, field, v.List().Get(i))
	}
	return append(b, ']')
}

// appendMap writes a map in the order of its keys.
func appendMap(b []byte, field protoreflect.FieldDescriptor, entries protoreflect.Map) []byte {
	values := make(map[string]protoreflect.Value, entries.Len())
	for key, value := range entries.Range {
		values[key.String()] = value
	}
	b = append(b, '{')
	for i, key := range slices.Sorted(maps.Keys(values)) {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendScalar(append(appendString(b, key), ':'), field.MapValue(), values[key])
	}
	return append(b, '}')
}

func appendScalar(b []byte, field protoreflect.FieldDescriptor, v protoreflect.Value) []byte {
	const exact = 1 << 53
	switch field.Kind() {
	case protoreflect.MessageKind, protoreflect.GroupKind:
		return appendMessage(b, v.Message())
	case protoreflect.EnumKind:
		if value := field.Enum().Values().ByNumber(v.Enum()); value != nil {
			return appendString(b, shortEnum(value))
		}
		return strconv.AppendInt(b, int64(v.Enum()), 10)
	case protoreflect.BoolKind:
		return strconv.AppendBool(b, v.Bool())
	case protoreflect.StringKind:
		return appendString(b, v.String())
	case protoreflect.BytesKind:
		return appendString(b, base64.StdEncoding.EncodeToString(v.Bytes()))
	case protoreflect.FloatKind:
		return appendFloat(b, v.Float(), 32)
	case protoreflect.DoubleKind:
		return appendFloat(b, v.Float(), 64)
	case protoreflect.Uint32Kind, protoreflect.Uint64Kind, protoreflect.Fixed32Kind, protoreflect.Fixed64Kind:
		if v.Uint() > exact {
			return appendString(b, strconv.FormatUint(v.Uint(), 10))
		}
		return strconv.AppendUint(b, v.Uint(), 10)
	}
	if v.Int() > exact || v.Int() < -exact {
		return appendString(b, strconv.FormatInt(v.Int(), 10))
	}
	return strconv.AppendInt(b, v.Int(), 10)
}

// appendTensor writes elements as nested arrays, pictures as a list, and raw bytes, if the request wants them, in
// base64.
func appendTensor(b []byte, t *langevinv1.Tensor) []byte {
	switch {
	case len(t.GetPng()) > 0:
		return appendStrings(b, t.GetPng())
	case len(t.GetData()) > 0:
		b = append(b, `{"shape":[`...)
		for i, n := range t.GetShape() {
			if i > 0 {
				b = append(b, ',')
			}
			b = strconv.AppendInt(b, n, 10)
		}
		b = append(b, `],"data":`...)
		return append(appendString(b, base64.StdEncoding.EncodeToString(t.GetData())), '}')
	}
	return appendRows(b, t.GetValues(), t.GetShape())
}

func appendStrings(b []byte, all [][]byte) []byte {
	b = append(b, '[')
	for i, data := range all {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, base64.StdEncoding.EncodeToString(data))
	}
	return append(b, ']')
}

// appendRows writes elements in the given shape.
func appendRows(b []byte, x []float32, shape []int64) []byte {
	if len(shape) == 0 {
		shape = []int64{int64(len(x))}
	}
	b = append(b, '[')
	rows := int(shape[0])
	for i := range rows {
		if i > 0 {
			b = append(b, ',')
		}
		if len(shape) == 1 {
			b = appendFloat(b, float64(x[i]), 32)
			continue
		}
		size := len(x) / rows
		b = appendRows(b, x[i*size:(i+1)*size], shape[1:])
	}
	return append(b, ']')
}

func appendFloat(b []byte, v float64, bits int) []byte {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return appendString(b, strconv.FormatFloat(v, 'g', -1, bits))
	}
	return strconv.AppendFloat(b, v, 'g', -1, bits)
}

func appendString(b []byte, s string) []byte {
	data, err := json.Marshal(s)
	if err != nil { // a string always has a JSON form
		return append(b, `""`...)
	}
	return append(b, data...)
}
