package web

import (
	"bytes"
	"encoding/base64"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"
)

// scalar reads the value of a field, or of an element of it, that is not a message.
func (r *reader) scalar(field protoreflect.FieldDescriptor) (protoreflect.Value, error) {
	switch field.Kind() {
	case protoreflect.BoolKind:
		return r.boolean()
	case protoreflect.EnumKind:
		return r.enum(field.Enum())
	case protoreflect.StringKind:
		if r.peek() != '"' {
			return protoreflect.Value{}, r.wrong("text")
		}
		text, err := r.text()
		if err == nil {
			err = r.take(stringBytes + len(text))
		}
		return protoreflect.ValueOfString(text), err
	case protoreflect.BytesKind:
		data, err := r.bytes()
		return protoreflect.ValueOfBytes(data), err
	case protoreflect.FloatKind:
		v, err := r.float(32)
		return protoreflect.ValueOfFloat32(float32(v)), err
	case protoreflect.DoubleKind:
		v, err := r.float(64)
		return protoreflect.ValueOfFloat64(v), err
	}
	return r.integer(field.Kind())
}

// stringBytes is the memory of a string or of bytes without their contents.
const stringBytes = 24

// text reads a string.
func (r *reader) text() (string, error) {
	value, err := r.raw()
	if err != nil {
		return "", err
	}
	text, err := jsontext.AppendUnquote(nil, value)
	if err != nil {
		return "", r.broken(err)
	}
	return string(text), nil
}

func (r *reader) boolean() (protoreflect.Value, error) {
	kind := r.peek()
	if kind != 't' && kind != 'f' {
		return protoreflect.Value{}, r.wrong("true or false")
	}
	if err := r.take(1); err != nil {
		return protoreflect.Value{}, err
	}
	return protoreflect.ValueOfBool(kind == 't'), r.token()
}

// bytes reads a string in base64: the standard or the URL alphabet, with or without padding.
func (r *reader) bytes() ([]byte, error) {
	if r.peek() != '"' {
		return nil, r.wrong("text in base64")
	}
	value, err := r.raw()
	if err != nil {
		return nil, err
	}
	text := value[1 : len(value)-1]
	if bytes.IndexByte(text, '\\') >= 0 {
		if text, err = jsontext.AppendUnquote(nil, value); err != nil {
			return nil, r.broken(err)
		}
	}
	text = bytes.TrimRight(text, "=")
	encoding := base64.RawStdEncoding
	if bytes.ContainsAny(text, "-_") {
		encoding = base64.RawURLEncoding
	}
	if err := r.take(stringBytes + encoding.DecodedLen(len(text))); err != nil {
		return nil, err
	}
	data := make([]byte, encoding.DecodedLen(len(text)))
	if n, err := encoding.Decode(data, text); err != nil {
		return nil, r.refuse(clipped(string(text[:min(len(text), 2*mostEcho)])), "base64: byte %d is not", n/3*4)
	}
	return data, nil
}

// number reads the text of a number, which may be in quotes; NaN and the infinities must be.
func (r *reader) number(want string) (string, error) {
	switch kind := r.peek(); kind {
	case '0':
		value, err := r.raw()
		return string(value), err
	case '"':
		text, err := r.text()
		if err != nil {
			return "", err
		}
		if !isNumber(text) {
			return "", r.refuse(clipped(strconv.Quote(text)), "%s", want)
		}
		return text, nil
	}
	return "", r.wrong(want)
}

// isNumber reports whether a text is a number of JSON, or NaN or an infinity in the words of protobuf or of
// [appendJSON].
func isNumber(text string) bool {
	switch text {
	case "NaN", "Infinity", "-Infinity", "+Inf", "-Inf":
		return true
	}
	return jsontext.Value(text).Kind() == '0' && strings.TrimSpace(text) == text && jsontext.Value(text).IsValid()
}

// float reads a number of the given size in bits.
func (r *reader) float(bits int) (float64, error) { return r.floatOr(bits, "a number") }

// floatOr is float with other words for what is wanted of a text.
func (r *reader) floatOr(bits int, want string) (float64, error) {
	if r.peek() != '"' {
		want = "a number"
	}
	text, err := r.number(want)
	if err == nil {
		err = r.take(bits / 8)
	}
	if err != nil {
		return 0, err
	}
	v, err := strconv.ParseFloat(text, bits)
	if err != nil {
		return 0, r.refuse(clipped(text), "a number that float%d can hold, at most %.3g", bits, largest(bits))
	}
	return v, nil
}

func largest(bits int) float64 {
	if bits == 32 {
		return math.MaxFloat32
	}
	return math.MaxFloat64
}

// integer reads a whole number of the range of a kind.
func (r *reader) integer(kind protoreflect.Kind) (protoreflect.Value, error) {
	least, most := rangeOf(kind)
	text, err := r.number("a whole number")
	if err == nil {
		err = r.take(8)
	}
	if err != nil {
		return protoreflect.Value{}, err
	}
	negative, magnitude, err := wholeOf(text)
	switch {
	case errors.Is(err, strconv.ErrSyntax):
		return protoreflect.Value{}, r.refuse(clipped(text), "a whole number")
	case err != nil, negative && magnitude > least, !negative && magnitude > most:
		return protoreflect.Value{}, r.refuse(clipped(text), "a whole number from %s to %d", signed(least), most)
	}
	if negative {
		return integerOf(kind, -magnitude), nil
	}
	return integerOf(kind, magnitude), nil
}

// signed returns the smallest number of a range whose magnitude is least.
func signed(least uint64) string {
	if least == 0 {
		return "0"
	}
	return "-" + strconv.FormatUint(least, 10)
}

// rangeOf returns the magnitudes of the smallest and of the largest number of a kind.
func rangeOf(kind protoreflect.Kind) (least, most uint64) {
	switch kind {
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return -math.MinInt32, math.MaxInt32
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return 0, math.MaxUint32
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return 0, math.MaxUint64
	}
	return -math.MinInt64, math.MaxInt64
}

// integerOf returns the number with the given two's complement as a value of a kind.
func integerOf(kind protoreflect.Kind, v uint64) protoreflect.Value {
	switch kind {
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return protoreflect.ValueOfInt32(int32(v))
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return protoreflect.ValueOfUint32(uint32(v))
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return protoreflect.ValueOfUint64(v)
	}
	return protoreflect.ValueOfInt64(int64(v))
}

// wholeOf splits a number in the forms of JSON, as -12, 12.0 or 1.2e1, into sign and magnitude. Forms with a fraction
// or an exponent are exact below 2^53. The error is [strconv.ErrSyntax] for a number that is not whole or not known
// exactly, and [strconv.ErrRange] for one of 2^64 or more.
func wholeOf(text string) (negative bool, magnitude uint64, err error) {
	text, negative = strings.CutPrefix(text, "-")
	if magnitude, err = strconv.ParseUint(text, 10, 64); err == nil {
		return negative, magnitude, nil
	}
	const exact = 1 << 53
	v, err := strconv.ParseFloat(text, 64)
	switch {
	case v >= math.MaxUint64 && text != "Infinity" && text != "+Inf" && text != "Inf":
		return negative, 0, strconv.ErrRange
	case err != nil, v != math.Trunc(v), !(v < exact):
		return negative, 0, strconv.ErrSyntax
	}
	return negative, uint64(v), nil
}

// enum reads the name of a value, its short form, or its number.
func (r *reader) enum(d protoreflect.EnumDescriptor) (protoreflect.Value, error) {
	if err := r.take(4); err != nil {
		return protoreflect.Value{}, err
	}
	if r.peek() != '"' {
		if r.peek() == '0' {
			v, err := r.integer(protoreflect.Int32Kind)
			if err != nil {
				return v, err
			}
			return protoreflect.ValueOfEnum(protoreflect.EnumNumber(v.Int())), nil
		}
		return protoreflect.Value{}, r.wrong(wordsOf(d))
	}
	name, err := r.text()
	if err != nil {
		return protoreflect.Value{}, err
	}
	for _, full := range []string{name, enumPrefix(d) + strings.ToUpper(name)} {
		if value := d.Values().ByName(protoreflect.Name(full)); value != nil {
			return protoreflect.ValueOfEnum(value.Number()), nil
		}
	}
	return protoreflect.Value{}, r.refuse(clipped(strconv.Quote(name)), "%s", wordsOf(d))
}

// wordsOf returns the short forms of an enum's values without the unspecified one.
func wordsOf(d protoreflect.EnumDescriptor) string {
	var names []string
	for i := 1; i < d.Values().Len(); i++ {
		names = append(names, shortEnum(d.Values().Get(i)))
	}
	return strings.Join(names, ", ")
}

// enumPrefix returns the common prefix of an enum's names: the name of the first value without UNSPECIFIED.
func enumPrefix(d protoreflect.EnumDescriptor) string {
	return strings.TrimSuffix(string(d.Values().Get(0).Name()), "UNSPECIFIED")
}

func shortEnum(v protoreflect.EnumValueDescriptor) string {
	d, _ := v.Parent().(protoreflect.EnumDescriptor)
	return strings.ToLower(strings.TrimPrefix(string(v.Name()), enumPrefix(d)))
}

// duration reads a number of seconds, or protobuf's form of it, as "1.5s".
func (r *reader) duration(m protoreflect.Message) error {
	const want = "seconds, as 1.5 or \"1.5s\""
	var text string
	var err error
	if kind := r.peek(); kind != '"' && kind != '0' {
		return r.wrong(want)
	} else if kind == '"' {
		text, err = r.text()
	} else {
		text, err = r.number(want)
	}
	if err != nil {
		return err
	}
	d, err := time.ParseDuration(strings.TrimSuffix(text, "s") + "s")
	if err != nil {
		return r.refuse(clipped(text), "%s", want)
	}
	proto.Merge(m.Interface(), durationpb.New(d))
	return nil
}
