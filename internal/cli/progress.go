package cli

import (
	"fmt"
	"io"
	"sync/atomic"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// Bar shows on a terminal how far some work is. Without a terminal it shows nothing.
type Bar struct {
	container *mpb.Progress
	line      *mpb.Bar
	detail    atomic.Pointer[string]
}

// NewBar returns a bar on Stderr. The caller has to close it.
func (p *Program) NewBar(title string) *Bar {
	b := &Bar{}
	b.detail.Store(new(string))
	out := io.Discard
	if p.TerminalErr {
		out = p.Stderr
	}
	b.container = mpb.New(mpb.WithOutput(out), mpb.WithWidth(100), mpb.ContainerOptional(mpb.ForceAutoRefresh(),
		p.TerminalErr))
	b.line = b.container.New(0,
		mpb.BarStyle().Lbound("").Filler("█").Tip("█").Padding("░").Rbound(""),
		mpb.BarFillerTrim(),
		mpb.BarWidth(24),
		mpb.PrependDecorators(decor.Name(title+"  ")),
		mpb.AppendDecorators(
			decor.Percentage(decor.WC{W: 6}),
			decor.Any(func(decor.Statistics) string { return "  " + *b.detail.Load() }),
		),
	)
	return b
}

// Set moves the bar to done of total, with a detail at its right.
func (b *Bar) Set(done, total int64, detail string) {
	b.detail.Store(&detail)
	b.line.SetTotal(total, false)
	b.line.SetCurrent(min(done, total-1)) // Close fills the bar
}

// Close fills the bar and leaves it on the screen if the work is done, and removes it otherwise.
func (b *Bar) Close(done bool, detail string) {
	if done {
		b.detail.Store(&detail)
		b.line.SetTotal(-1, true)
	} else {
		b.line.Abort(true)
	}
	b.container.Wait()
}

// Tell writes a line to Stderr, above the bar if that is shown.
func (p *Program) Tell(b *Bar, text string) {
	out := p.Stderr
	if p.TerminalErr {
		out = b.container
	}
	fmt.Fprintln(out, "langevin: "+text)
}

// TellOnce is [Program.Tell] for a line that may come again, when a command looks at the same thing again: only the
// first one is written. It must not be called concurrently.
func (p *Program) TellOnce(b *Bar, text string) {
	if p.told[text] {
		return
	}
	if p.told == nil {
		p.told = map[string]bool{}
	}
	p.told[text] = true
	p.Tell(b, text)
}
