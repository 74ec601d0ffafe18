package main

import (
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/langevin-ml/langevin/client"
)

// bar shows on a terminal how far some work is. Where nobody looks, it shows nothing.
type bar struct {
	container *mpb.Progress
	line      *mpb.Bar
	detail    atomic.Pointer[string]
}

func (p *program) newBar(title string) *bar {
	b := &bar{}
	b.detail.Store(new(string))
	out := io.Discard
	if p.terminalErr {
		out = p.stderr
	}
	b.container = mpb.New(mpb.WithOutput(out), mpb.WithWidth(100), mpb.ContainerOptional(mpb.ForceAutoRefresh(), p.terminalErr))
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

// set moves the bar.
func (b *bar) set(done, total int64, detail string) {
	b.detail.Store(&detail)
	b.line.SetTotal(total, false)
	b.line.SetCurrent(min(done, total-1)) // the end is for close to tell
}

// close fills the bar if the work is done and leaves it on the screen; if it is not, the bar goes.
func (b *bar) close(done bool, detail string) {
	if done {
		b.detail.Store(&detail)
		b.line.SetTotal(-1, true)
	} else {
		b.line.Abort(true)
	}
	b.container.Wait()
}

// describe words the progress of a call: "3s left, step 2100, level 21, sigma 1.7, 1.2M steps/s".
func describe(p client.Progress) string {
	text := fmt.Sprintf("step %d, level %d, sigma %.3g", p.Step, p.Level+1, p.Sigma)
	if p.Remaining > 0 {
		text = p.Remaining.Round(time.Second).String() + " left, " + text
	}
	if seconds := p.Elapsed.Seconds(); seconds > 0 {
		text += fmt.Sprintf(", %s steps/s", short(float64(p.StepsDone)/seconds))
	}
	return text
}

// short writes a large number with three digits: 12.3k, 4.56M.
func short(v float64) string {
	for _, unit := range []string{"", "k", "M"} {
		if v < 1000 {
			return fmt.Sprintf("%.3g%s", v, unit)
		}
		v /= 1000
	}
	return fmt.Sprintf("%.3gG", v)
}

// draw makes one Sample call, shows how far it is, and shows the watchers its events.
func (p *program) draw(stream *client.Stream, title string, watchers ...func(client.Event)) (*client.Result, error) {
	b := p.newBar(title)
	var end string
	for event := range stream.Events() { // Result tells the error
		for _, see := range watchers {
			see(event)
		}
		switch e := event.(type) {
		case client.Progress:
			b.set(e.StepsDone, e.StepsTotal, describe(e))
		case client.Resumed:
			p.tell(b, resumedText(e))
		case client.Done:
			end = fmt.Sprintf("%s score evaluations in %s", short(float64(e.NFE)), tidy(e.Elapsed))
		}
	}
	res, err := stream.Result()
	b.close(err == nil, end)
	return res, err
}

// tell writes a line to standard error: above the bar, where there is one.
func (p *program) tell(b *bar, text string) {
	var out io.Writer = p.stderr
	if p.terminalErr {
		out = b.container
	}
	fmt.Fprintln(out, "langevin: "+text)
}

// resumedText says that a call broke and goes on.
func resumedText(r client.Resumed) string {
	if r.Step > 0 {
		return fmt.Sprintf("%s; going on after step %d", oneLine(r.Cause), r.Step)
	}
	return fmt.Sprintf("%s; drawing again what is missing", oneLine(r.Cause))
}

// tidy rounds d to what a person reads.
func tidy(d time.Duration) time.Duration {
	switch {
	case d >= time.Minute:
		return d.Round(time.Second)
	case d >= time.Second:
		return d.Round(100 * time.Millisecond)
	}
	return d.Round(time.Millisecond)
}
