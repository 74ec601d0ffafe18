package sample

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/langevin-ml/langevin/client"
)

// asked has a digest of each field of what a command line asked for, before the server filled in its defaults. A state
// keeps it, so that --state does not go on with the chains of another command.
type asked map[string]string

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
	}
	return a, nil
}

// differs returns the name of the first field that two commands do not have in common; "" if there is none.
func (a asked) differs(b asked) string {
	all := slices.AppendSeq(slices.Collect(maps.Keys(a)), maps.Keys(b))
	for _, name := range slices.Sorted(slices.Values(all)) {
		if a[name] != b[name] {
			return name
		}
	}
	return ""
}
