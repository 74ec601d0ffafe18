// Package trainrun has what commands that train share: the choice of a device, settings and the progress of a run.
package trainrun

import (
	"context"
	"fmt"

	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/phrase"
	"github.com/langevin-ml/langevin/training"
)

// Preset returns a preset with some settings changed. Its errors are those of usage.
func Preset(preset string, settings []string) (training.Config, error) {
	config, err := training.Preset(preset)
	if err != nil {
		return config, cli.Usagef("%v", err)
	}
	return With(config, settings)
}

// With returns a configuration with some settings changed, if that is valid. Its errors are those of usage.
func With(config training.Config, settings []string) (training.Config, error) {
	config, err := config.With(settings...)
	if err != nil {
		return config, cli.Usagef("%v", err)
	}
	return config, nil
}

// Run trains a network and shows its progress by a bar.
func Run(ctx context.Context, p *cli.Program, config training.Config, o training.Options) (*training.Result, error) {
	b := p.NewBar(config.Name)
	var last training.Progress
	o.Reading = Reading(p, b)
	o.Notice = func(text string) { p.Tell(b, text) }
	o.Progress = func(now training.Progress) {
		b.Set(int64(now.Iteration), int64(now.Iterations), describeTraining(now, config))
		last = now
	}
	result, err := training.Run(ctx, config, o)
	b.Close(err == nil, fmt.Sprintf("%s iterations in %.1fs", phrase.Grouped(int64(last.Iteration)), last.Seconds))
	return result, err
}

// describeTraining returns the progress of a training in words: the mean loss, and the losses at the largest, a middle
// and the smallest sigma.
func describeTraining(now training.Progress, config training.Config) string {
	text := fmt.Sprintf("loss %.3f", now.Loss)
	if now.PerSecond > 0 {
		left := float64(now.Iterations-now.Iteration) / now.PerSecond
		text = fmt.Sprintf("%.0fs left, %s, %.0f iterations/s", left, text, now.PerSecond)
	}
	if levels := now.LossPerLevel; len(levels) >= 3 {
		text += fmt.Sprintf(", from sigma %g to %g: %.3f %.3f %.3f",
			config.Noise.First, config.Noise.Last, levels[0], levels[len(levels)/2], levels[len(levels)-1])
	}
	return text
}
