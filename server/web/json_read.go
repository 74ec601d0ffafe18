package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// readJSON reads a message from JSON. It accepts protobuf's JSON, with either spelling of the names, and short forms. A
// tensor may be an array of rows, [[1, 2], [3, 4]]. A list of one element may be the element. An enum may be the end of
// its name in lower case, as "png" for TENSOR_FORMAT_PNG. A duration may be a number of seconds. An empty body is the
// empty message.
//
// The text is read in one pass and is not kept. The message may take the given number of bytes; a text that would give
// a larger one is read no further. Errors are problems.
func readJSON(body *source, m proto.Message, most int) error {
	body.most = most
	decoder := jsontext.NewDecoder(body, jsontext.AllowDuplicateNames(true)) // the reader sees both spellings of a name
	r := &reader{source: body, json: decoder, most: most, left: most}
	if r.peek() == 0 && !body.text {
		return body.err
	}
	if err := r.message(m.ProtoReflect()); err != nil {
		return err
	}
	if _, err := r.json.ReadToken(); err == nil {
		return invalid("", "the request has text after its JSON object")
	} else if !errors.Is(err, io.EOF) {
		return r.broken(err)
	}
	return nil
}

// readJSONText is readJSON for text that is complete.
func readJSONText(text []byte, m proto.Message, most int) error {
	return readJSON(&source{from: bytes.NewReader(text)}, m, most)
}

// reader reads one JSON value. Its path is the place of the value that it reads now.
type reader struct {
	source *source
	json   *jsontext.Decoder
	path   []segment
	most   int // bytes of memory that the message may take
	left   int
}

// segment is one part of a path: a field or a key, or the index of an element if it has no name.
type segment struct {
	name  string
	index int
}

// place returns the path of the value that is read now, such as preview.frames or sigma[3].
func (r *reader) place() string {
	var b strings.Builder
	for _, s := range r.path {
		switch {
		case s.name == "":
			fmt.Fprintf(&b, "[%d]", s.index)
		case b.Len() > 0:
			b.WriteString("." + s.name)
		default:
			b.WriteString(s.name)
		}
	}
	return b.String()
}

// within calls read with a further segment in the path.
func (r *reader) within(s segment, read func() error) error {
	r.path = append(r.path, s)
	err := read()
	r.path = r.path[:len(r.path)-1]
	return err
}

// refuse returns the problem of the value that is read now: what it is and what it should be.
func (r *reader) refuse(given, want string, args ...any) error {
	place := r.place()
	return invalid(place, "%s is %s: want %s", nameOr(place, "the request"), given, fmt.Sprintf(want, args...))
}

// take counts bytes of memory.
func (r *reader) take(bytes int) error {
	if r.left -= bytes; r.left < 0 {
		return tooMuch(r.most)
	}
	return nil
}

// peek returns the kind of the next token: one of { [ ] } " 0 t f n, or 0 if there is none or it is not JSON.
func (r *reader) peek() jsontext.Kind {
	r.source.begun = r.json.InputOffset()
	return r.json.PeekKind()
}

// token reads the next token.
func (r *reader) token() error {
	r.source.begun = r.json.InputOffset()
	if _, err := r.json.ReadToken(); err != nil {
		return r.broken(err)
	}
	return nil
}

// raw reads the next value, which must not be an array or an object. The bytes are valid until the next read.
func (r *reader) raw() ([]byte, error) {
	r.source.begun = r.json.InputOffset()
	value, err := r.json.ReadValue()
	if err != nil {
		return nil, r.broken(err)
	}
	return value, nil
}

// broken returns the problem of a text that is not JSON, or that could not be read.
func (r *reader) broken(err error) error {
	if r.source.err != nil {
		return r.source.err
	}
	place := r.place()
	if syntax := (*jsontext.SyntacticError)(nil); errors.As(err, &syntax) {
		return invalid(place, "the request is not JSON: %v at byte %d", syntax.Err, syntax.ByteOffset)
	}
	return invalid(place, "the request is not JSON: it ends after %d bytes, before its last value ends", r.source.read)
}

// wrong refuses the next value because of its kind.
func (r *reader) wrong(want string) error {
	switch r.peek() {
	case '{':
		return r.refuse("an object", "%s", want)
	case '[':
		return r.refuse("an array", "%s", want)
	}
	value, err := r.raw()
	if err != nil {
		return err
	}
	return r.refuse(clipped(string(value[:min(len(value), 2*mostEcho)])), "%s", want)
}

// messageBytes estimates the memory of a message without its contents.
const messageBytes = 256

// message reads an object into m.
func (r *reader) message(m protoreflect.Message) error {
	switch {
	case m.Descriptor().FullName() == "google.protobuf.Duration":
		return r.duration(m)
	case m.Descriptor().ParentFile().Package() == "google.protobuf" && m.Descriptor().Fields().Len() > 0:
		return r.wrong("nothing: this server does not read a " + string(m.Descriptor().Name()) + " as JSON")
	case r.peek() == '[' && m.Descriptor() == (*langevinv1.Tensor)(nil).ProtoReflect().Descriptor():
		return r.rows(m)
	case r.peek() != '{':
		return r.wrong("an object")
	}
	if err := errors.Join(r.take(messageBytes), r.token()); err != nil {
		return err
	}
	seen := make(map[protoreflect.FieldNumber]bool)
	for r.peek() != '}' {
		if err := r.member(m, seen); err != nil {
			return err
		}
	}
	return r.token()
}

// member reads one name and its value into m.
func (r *reader) member(m protoreflect.Message, seen map[protoreflect.FieldNumber]bool) error {
	name, err := r.text()
	if err != nil {
		return err
	}
	field := fieldOf(m.Descriptor(), name)
	shown := clipped(name)
	if field != nil {
		shown = string(field.Name())
	}
	return r.within(segment{name: shown}, func() error {
		place := r.place()
		switch {
		case field == nil:
			d := m.Descriptor()
			return invalid(place, "%s is not a field of %s: it has %s", place, d.Name(), namesOf(d))
		case seen[field.Number()]:
			return invalid(place, "%s is given twice: want each field once", place)
		case r.peek() == 'n':
			seen[field.Number()] = true
			return r.token()
		}
		seen[field.Number()] = true
		if other := otherOf(m, field); other != nil {
			return invalid(place, "%s is given in addition to %s: want one of %s", place, other.Name(),
				oneofNames(field.ContainingOneof()))
		}
		return r.field(m, field)
	})
}

// otherOf returns the field of the same oneof that m has already; nil if there is none.
func otherOf(m protoreflect.Message, field protoreflect.FieldDescriptor) protoreflect.FieldDescriptor {
	if field.ContainingOneof() == nil {
		return nil
	}
	return m.WhichOneof(field.ContainingOneof())
}

func oneofNames(d protoreflect.OneofDescriptor) string {
	var names []string
	for i := range d.Fields().Len() {
		names = append(names, string(d.Fields().Get(i).Name()))
	}
	return strings.Join(names, ", ")
}

// field reads the value of a field of m.
func (r *reader) field(m protoreflect.Message, field protoreflect.FieldDescriptor) error {
	switch {
	case field.IsMap():
		return r.entries(m.Mutable(field).Map(), field)
	case field.IsList():
		return r.list(m.Mutable(field).List(), field)
	case field.Message() != nil:
		return r.message(m.Mutable(field).Message())
	}
	value, err := r.scalar(field)
	if err == nil {
		m.Set(field, value)
	}
	return err
}

// list reads an array, or a value that stands for an array of one.
func (r *reader) list(list protoreflect.List, field protoreflect.FieldDescriptor) error {
	if r.peek() != '[' {
		return r.element(list, field)
	}
	if err := r.token(); err != nil {
		return err
	}
	r.path = append(r.path, segment{})
	for r.peek() != ']' {
		if err := r.element(list, field); err != nil {
			return err
		}
		r.path[len(r.path)-1].index++
	}
	r.path = r.path[:len(r.path)-1]
	return r.token()
}

func (r *reader) element(list protoreflect.List, field protoreflect.FieldDescriptor) error {
	if field.Message() != nil {
		element := list.NewElement()
		list.Append(element)
		return r.message(element.Message())
	}
	value, err := r.scalar(field)
	if err == nil {
		list.Append(value)
	}
	return err
}

// entries reads an object into a map.
func (r *reader) entries(entries protoreflect.Map, field protoreflect.FieldDescriptor) error {
	if r.peek() != '{' {
		return r.wrong("an object")
	}
	if err := r.token(); err != nil {
		return err
	}
	for r.peek() != '}' {
		if err := r.entry(entries, field); err != nil {
			return err
		}
	}
	return r.token()
}

// entryBytes estimates the memory of an entry of a map without its key and value.
const entryBytes = 64

// entry reads one key and its value. Keys are strings in every request of the API.
func (r *reader) entry(entries protoreflect.Map, field protoreflect.FieldDescriptor) error {
	name, err := r.text()
	if err == nil {
		err = r.take(entryBytes + len(name))
	}
	if err != nil {
		return err
	}
	return r.within(segment{name: clipped(name)}, func() error {
		key := protoreflect.ValueOfString(name).MapKey()
		switch {
		case field.MapKey().Kind() != protoreflect.StringKind:
			return r.wrong("nothing: this server reads only names as keys")
		case entries.Has(key):
			return invalid(r.place(), "%s is given twice: want each name once", r.place())
		case field.MapValue().Message() != nil:
			return r.message(entries.Mutable(key).Message())
		}
		value, err := r.scalar(field.MapValue())
		if err == nil {
			entries.Set(key, value)
		}
		return err
	})
}

func fieldOf(d protoreflect.MessageDescriptor, name string) protoreflect.FieldDescriptor {
	if f := d.Fields().ByName(protoreflect.Name(name)); f != nil {
		return f
	}
	return d.Fields().ByJSONName(name)
}

func namesOf(d protoreflect.MessageDescriptor) string {
	if d.Fields().Len() == 0 {
		return "none"
	}
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
	return path
}

// mostEcho is the most bytes of a request that an error repeats.
const mostEcho = 80

// clipped returns a text of a request for an error: cut if it is long, and in quotes if it is not a plain word or
// number.
func clipped(text string) string {
	if len(text) > mostEcho {
		text = strings.ToValidUTF8(text[:mostEcho], "") + "..."
	}
	if quoted := strconv.Quote(text); len(quoted) != len(text)+2 && !strings.HasPrefix(text, `"`) {
		return quoted
	}
	return text
}

// readQuery fills the fields of m from a query, such as page_size=10.
func readQuery(query map[string][]string, m proto.Message) error {
	fields := make(map[string]any, len(query))
	for name, values := range query {
		if len(values) != 1 {
			return invalid(clipped(name), "%s is given %d times: want it once", clipped(name), len(values))
		}
		fields[name] = values[0]
	}
	data, err := json.Marshal(fields)
	if err != nil {
		return fmt.Errorf("read the query: %w", err)
	}
	return readJSONText(data, m, 1<<20)
}
