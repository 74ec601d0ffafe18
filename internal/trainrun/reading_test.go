package trainrun

import (
	"bytes"
	"testing"

	"github.com/langevin-ml/langevin/internal/cli"
)

// TestReadingTellsOnce: a command that reads the same data twice says once what was left out.
func TestReadingTellsOnce(t *testing.T) {
	var told bytes.Buffer
	p := &cli.Program{Stderr: &told}
	for _, text := range []string{"a.png is left out", "a.png is left out", "b.png is left out"} {
		b := p.NewBar("reading")
		Reading(p, b).Notice(text)
		b.Close(false, "")
	}
	const want = "langevin: a.png is left out\nlangevin: b.png is left out\n"
	if told.String() != want {
		t.Errorf("it says %q, want %q", told.String(), want)
	}
}
