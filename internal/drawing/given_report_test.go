package drawing

import (
	"strings"
	"testing"

	"github.com/langevin-ml/langevin/client"
)

// TestApproximateText: the warning fits what was asked for, and names the flag.
func TestApproximateText(t *testing.T) {
	for want, res := range map[string]*client.Result{
		"a guidance scale of 3 asks for, because the sampler follows a diffusion; --consistent=false": {
			GuidanceScale: new(3.), Sampler: client.AnnealedLangevin{},
		},
		"the product of the terms, because the sampler follows a diffusion; --sampler annealed --consistent=false": {
			GuidanceScale: new(3.), Sum: &client.Sum{Terms: make([]client.Term, 1)}, Sampler: client.ReverseSDE{},
		},
		"the power of the density that the weight asks for": {Sum: &client.Sum{OwnWeight: new(2.)}},
		"what the guide's weight asks for":                  {},
	} {
		if got := ApproximateText(res); !strings.Contains(got, want) {
			t.Errorf("%+v: %q, want %q", res, got, want)
		}
	}
}
