package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// readJSON reads a message from JSON. It accepts protobuf's JSON, with either spelling of the names, and short forms. A
// tensor may be an array of rows, [[1, 2], [3, 4]]. A list of one element may be the element. An enum may be the end of
// its name in lower case, as "png" for TENSOR_FORMAT_PNG. A duration may be a number of seconds. An empty body is the
// empty message.
func readJSON(body io.Reader, m proto.Message) error {
	data, err := io.ReadAll(body)
	if err != nil {
		return unreadable(err)
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return nil
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return invalid("", "the request is not JSON: %v", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return invalid("", "the request has text after its JSON object")
	}
	if value, err = longhand(m.ProtoReflect().Descriptor(), value, ""); err != nil {
		return err
	}
	if data, err = json.Marshal(value); err != nil {
		return invalid("", "the request: %v", err)
	}
	if err := protojson.Unmarshal(data, m); err != nil {
		return invalid("", "the request: %s", plain(err))
	}
	return nil
}

// unreadable returns the problem of a body that could not be read to its end.
func unreadable(err error) error {
	if p := (*problem)(nil); errors.As(err, &p) {
		return p
	}
	if most := (*http.MaxBytesError)(nil); errors.As(err, &most) {
		return tooLarge(most.Limit)
	}
	return invalid("", "read the request: %v", err)
}

// plain removes the random white space from an error of package protojson, which differs between builds.
func plain(err error) string {
	text := strings.ReplaceAll(err.Error(), "\u00a0", " ")
	text = strings.TrimPrefix(text, "proto: ")
	if rest, found := strings.CutPrefix(text, "(line "); found {
		if _, after, found := strings.Cut(rest, "): "); found {
			text = after
		}
	}
	return text
}

// longhand expands the short forms of a value that stands for a message.
func longhand(d protoreflect.MessageDescriptor, value any, path string) (any, error) {
	if d.FullName() == "google.protobuf.Duration" {
		if n, ok := value.(json.Number); ok {
			return n.String() + "s", nil
		}
		return value, nil
	}
	if rows, ok := value.([]any); ok && d == (*langevinv1.Tensor)(nil).ProtoReflect().Descriptor() {
		return tensorOf(rows, path)
	}
	fields, ok := value.(map[string]any)
	if !ok {
		return nil, invalid(strings.TrimSuffix(path, "."), "%s: want an object", nameOr(path, "the request"))
	}
	for name, given := range fields {
		field := fieldOf(d, name)
		if field == nil {
			return nil, invalid(path+name, "%s%s is not a field of %s: it has %s", path, name, d.Name(), namesOf(d))
		}
		long, err := longhandField(field, given, path+name)
		if err != nil {
			return nil, err
		}
		fields[name] = long
	}
	return fields, nil
}

func longhandField(field protoreflect.FieldDescriptor, given any, path string) (any, error) {
	if given == nil {
		return nil, nil
	}
	_, list := given.([]any)
	switch {
	case field.IsList() && !list:
		return []any{given}, nil
	case field.IsList():
		return given, nil
	case field.Kind() == protoreflect.MessageKind:
		return longhand(field.Message(), given, path+".")
	case field.Kind() == protoreflect.EnumKind:
		return enumOf(field.Enum(), given, path)
	}
	return given, nil
}

// enumOf returns the full name of an enum's value.
func enumOf(d protoreflect.EnumDescriptor, given any, path string) (any, error) {
	name, ok := given.(string)
	if !ok {
		return given, nil // a number
	}
	if d.Values().ByName(protoreflect.Name(name)) != nil {
		return name, nil
	}
	long := enumPrefix(d) + strings.ToUpper(name)
	if d.Values().ByName(protoreflect.Name(long)) == nil {
		var names []string
		for i := 1; i < d.Values().Len(); i++ {
			names = append(names, shortEnum(d.Values().Get(i)))
		}
		return nil, invalid(path, "%s is %q: want %s", path, name, strings.Join(names, ", "))
	}
	return long, nil
}

// enumPrefix returns the common prefix of an enum's names: the name of the first value without UNSPECIFIED.
func enumPrefix(d protoreflect.EnumDescriptor) string {
	return strings.TrimSuffix(string(d.Values().Get(0).Name()), "UNSPECIFIED")
}

func shortEnum(v protoreflect.EnumValueDescriptor) string {
	d, _ := v.Parent().(protoreflect.EnumDescriptor)
	return strings.ToLower(strings.TrimPrefix(string(v.Name()), enumPrefix(d)))
}

func fieldOf(d protoreflect.MessageDescriptor, name string) protoreflect.FieldDescriptor {
	if f := d.Fields().ByName(protoreflect.Name(name)); f != nil {
		return f
	}
	return d.Fields().ByJSONName(name)
}

func namesOf(d protoreflect.MessageDescriptor) string {
	var names []string
	for i := range d.Fields().Len() {
		names = append(names, string(d.Fields().Get(i).Name()))
	}
	return strings.Join(names, ", ")
}

func nameOr(path, other string) string {
	if path == "" {
		return other
	}
	return strings.TrimSuffix(path, ".")
}

// tensorOf turns nested arrays into a shape and elements.
func tensorOf(rows []any, path string) (any, error) {
	if _, pictures := first(rows).(string); pictures {
		return map[string]any{"png": rows}, nil // the form that answers have
	}
	var shape []int
	for level := any(rows); ; {
		array, ok := level.([]any)
		if !ok {
			break
		}
		shape = append(shape, len(array))
		if len(array) == 0 {
			break
		}
		level = array[0]
	}
	var values []any
	if !flatten(rows, shape, &values) {
		name := strings.TrimSuffix(path, ".")
		return nil, invalid(name, "%s: want rows of numbers, all of one length", name)
	}
	tensor := map[string]any{"values": values}
	if len(shape) > 1 {
		tensor["shape"] = shape
	}
	return tensor, nil
}

// first returns the first element of an array; nil if it is empty.
func first(array []any) any {
	if len(array) == 0 {
		return nil
	}
	return array[0]
}

// flatten appends the elements of an array of the given shape, and reports whether it has that shape.
func flatten(array []any, shape []int, values *[]any) bool {
	if len(array) != shape[0] {
		return false
	}
	if len(shape) == 1 {
		*values = append(*values, array...)
		return !slices.ContainsFunc(array, func(v any) bool { _, number := v.(json.Number); return !number })
	}
	for _, inner := range array {
		row, ok := inner.([]any)
		if !ok || !flatten(row, shape[1:], values) {
			return false
		}
	}
	return true
}

// readQuery fills the scalar fields of m from a query, such as page_size=10.
func readQuery(query map[string][]string, m proto.Message) error {
	fields := make(map[string]any, len(query))
	for name, values := range query {
		if len(values) != 1 {
			return invalid(name, "%s: given %d times", name, len(values))
		}
		fields[name] = values[0]
	}
	data, err := json.Marshal(fields)
	if err != nil {
		return fmt.Errorf("read the query: %w", err)
	}
	return readJSON(bytes.NewReader(data), m)
}
