package trainrun

import (
	"fmt"

	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/phrase"
	"github.com/langevin-ml/langevin/training/data"
)

// Reading returns a reader of datasets that shows its progress by a bar, and says what was left out. A command that
// reads the same data again does not say it again.
func Reading(p *cli.Program, b *cli.Bar) data.Reader {
	return data.Reader{
		Progress: func(done, total int) {
			b.Set(int64(done), int64(total), fmt.Sprintf("picture %s of %s", phrase.Grouped(int64(done)),
				phrase.Grouped(int64(total))))
		},
		Notice: func(text string) { p.TellOnce(b, text) },
	}
}
