package sample

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/langevin-ml/langevin/client"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// asked has a digest of each field of the request that a command line made, before defaults were filled in, such as
// measurement.noise_std. After it, separated by a space, is the value of a short field. A state keeps it, so that
// --state does not go on with the chains of another command.
type asked map[string]string

// short is the most bytes of a value that is kept.
const short = 60

// delivery has the fields of a request that say how samples come, and not which. All others are compared, so that a
// field that is new is not forgotten.
func delivery() []protoreflect.Name {
	return []protoreflect.Name{"preview", "format", "waiting", "resume"}
}

func newAsked(r client.SampleRequest) (asked, error) {
	w, err := client.SampleRequestMessage(r)
	if err != nil {
		return nil, err
	}
	for _, name := range delivery() {
		w.ProtoReflect().Clear(w.ProtoReflect().Descriptor().Fields().ByName(name))
	}
	a := asked{}
	return a, a.add("", w.ProtoReflect())
}

// add adds the fields of a message. The fields of a message in it follow its own name.
func (a asked) add(prefix string, m protoreflect.Message) (err error) {
	m.Range(func(field protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		name := prefix + string(field.Name())
		if field.Message() == nil || field.IsList() || v.Message().Descriptor() == tensor() {
			err = a.addValue(name, m, field)
		} else {
			a.keep(name, "set")
			err = a.add(name+".", v.Message())
		}
		return err == nil
	})
	return err
}

// tensor is the message of arrays, whose bytes say nothing to people.
func tensor() protoreflect.MessageDescriptor {
	return (&langevinv1.Tensor{}).ProtoReflect().Descriptor()
}

// addValue adds one field of a message as its JSON form has it.
func (a asked) addValue(name string, m protoreflect.Message, field protoreflect.FieldDescriptor) error {
	only := m.New()
	only.Set(field, m.Get(field))
	text, err := protojson.Marshal(only.Interface())
	if err != nil {
		return err
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil {
		return err
	}
	var value bytes.Buffer
	if err := json.Compact(&value, fields[field.JSONName()]); err != nil { // protojson varies its spaces
		return err
	}
	a.keep(name, strings.Trim(value.String(), `"`))
	if field.Message() == tensor() {
		a[name], _, _ = strings.Cut(a[name], " ")
	}
	return nil
}

func (a asked) keep(name, value string) {
	sum := sha256.Sum256([]byte(value))
	a[name] = hex.EncodeToString(sum[:8])
	if len(value) <= short {
		a[name] += " " + value
	}
}

// differs says how the first field differs that two commands do not have in common; "" if there is none.
func (a asked) differs(b asked) string {
	all := slices.AppendSeq(slices.Collect(maps.Keys(a)), maps.Keys(b))
	for _, name := range slices.Sorted(slices.Values(all)) {
		was, had := a.value(name)
		is, has := b.value(name)
		switch {
		case was.digest == is.digest:
		case had && has:
			return fmt.Sprintf("with %s %s, and now it is %s", name, was.text, is.text)
		default: // one of them is long
			return "by a command with another " + name
		}
	}
	return ""
}

// value is the value of a field of a command.
type value struct{ digest, text string }

// value returns a field, and whether its text is known.
func (a asked) value(name string) (value, bool) {
	if a[name] == "" {
		return value{text: "not set"}, true
	}
	digest, text, known := strings.Cut(a[name], " ")
	return value{digest, text}, known
}
