package drawing

import (
	"fmt"
	"time"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/phrase"
)

// Describe returns the progress of a call in words: "3s left, step 2100, level 21, sigma 1.7, 1.2M steps/s".
func Describe(p client.Progress) string {
	text := fmt.Sprintf("step %d, level %d, sigma %.3g", p.Step, p.Level+1, p.Sigma)
	if p.Remaining > 0 {
		text = p.Remaining.Round(time.Second).String() + " left, " + text
	}
	if seconds := p.Elapsed.Seconds(); seconds > 0 {
		text += fmt.Sprintf(", %s steps/s", phrase.Short(float64(p.StepsDone)/seconds))
	}
	return text
}

// Draw reads one Sample call to its end and returns its result. It shows a bar, and passes every event to the watchers.
func Draw(p *cli.Program, stream *client.Stream, title string, watchers ...func(client.Event)) (*client.Result, error) {
	b := p.NewBar(title)
	var end string
	for event := range stream.Events() { // Result returns the error
		for _, see := range watchers {
			see(event)
		}
		switch e := event.(type) {
		case client.Progress:
			b.Set(e.StepsDone, e.StepsTotal, Describe(e))
		case client.Resumed:
			p.Tell(b, ResumedText(e))
		case client.Done:
			end = fmt.Sprintf("%s score evaluations in %s", phrase.Short(float64(e.NFE)), phrase.Tidy(e.Elapsed))
		}
	}
	res, err := stream.Result()
	b.Close(err == nil, end)
	return res, err
}

// ResumedText returns in words that a call broke and goes on.
func ResumedText(r client.Resumed) string {
	if r.Step > 0 {
		return fmt.Sprintf("%s; going on after step %d", phrase.OneLine(r.Cause), r.Step)
	}
	return fmt.Sprintf("%s; drawing again what is missing", phrase.OneLine(r.Cause))
}
