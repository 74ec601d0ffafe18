package sample

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/langevin-ml/langevin/client"
)

// asked has a digest of each field of what a command line asked for, before the server filled in its defaults. After
// it, separated by a space, is the value of a short field. A state keeps it, so that --state does not go on with the
// chains of another command.
type asked map[string]string

// short is the most bytes of a value that is kept.
const short = 60

func newAsked(r client.SampleRequest) (asked, error) {
	text, err := json.Marshal(newState(client.Started{
		Model: r.Model, Version: r.Version, N: r.N, FirstChain: r.FirstChain, Sampler: r.Sampler,
		Condition: r.Condition, Columns: r.Columns, Guidance: r.Guidance, Given: r.Given,
		GuidanceScale: r.GuidanceScale, Sum: r.Sum,
	}))
	if err != nil {
		return nil, err
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil {
		return nil, err
	}
	delete(fields, "seed")
	if r.Seed != nil {
		fields["seed"] = fmt.Append(nil, *r.Seed)
	}
	a := asked{}
	for name, value := range fields {
		sum := sha256.Sum256(value)
		a[name] = hex.EncodeToString(sum[:8])
		if len(value) <= short {
			a[name] += " " + string(value)
		}
	}
	return a, nil
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
		default: // an older state has digests only
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
	if text == "null" {
		text = "not set"
	}
	return value{digest, text}, known
}
