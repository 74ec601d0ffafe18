package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/langevin-ml/langevin/training"
	"github.com/langevin-ml/langevin/training/data"
	"github.com/langevin-ml/langevin/training/paper"
)

// smallPixelNoise is figure 1 in half a minute of a core for each side. The noise is larger than the paper's since it takes the
// longer to learn the smaller it is.
func smallPixelNoise() []string {
	return []string{
		"data.name=mnist", "data.image_size=8", "network.ngf=8", "loss.noise_std=0.05", "training.iterations=1000", "training.batch_size=32",
		"training.log_every=10", "training.test_every=0", "training.checkpoint_every=0", "training.eval_rows=256",
	}
}

// pixelNoiseSection trains with noise on the pixels and without: with full on CIFAR-10 as the paper does, else on small digits.
func (l *laboratory) pixelNoiseSection(ctx context.Context) (paper.Section, error) {
	settings, dir, missing := smallPixelNoise(), l.dataDir, "“make data” fetches MNIST, --data-dir names another folder"
	note := "Sizes of a CPU: MNIST at 8 x 8, 8 channels, 1,000 iterations of 32 images, noise of standard deviation 0.05. With noise the loss falls " +
		"steadily, but has not come to its end by then. The paper's sizes, which --full takes: CIFAR-10, 32 channels, 50,001 iterations of 128 images, noise of 0.01."
	if l.full {
		settings, dir, missing, note = nil, l.cifarDir, "--cifar10-dir names the folder of the binary version of CIFAR-10", ""
	}
	noisy, err := configure("scorenet", append(settings, "data.dir="+dir, "name=noisy"))
	if err != nil {
		return paper.Section{}, err
	}
	clean, err := changed(noisy, []string{"name=clean", "loss.noise_std=0"})
	if err != nil {
		return paper.Section{}, err
	}
	for _, split := range []data.Split{data.Train, data.Test} {
		if _, err := noisy.Data.Images(split); err != nil {
			return paper.WithoutPixelNoise(fmt.Sprintf("%v; %s", err, missing)), nil
		}
	}
	both, err := l.trainSliced(ctx, clean, noisy)
	if err != nil {
		return paper.Section{}, err
	}
	return paper.PixelNoiseSection(both[0], both[1], note), nil
}

// trainSliced runs trainings of small images side by side, since each of them has no work for more than a core. With full
// they take turns.
func (l *laboratory) trainSliced(ctx context.Context, configs ...training.Config) ([]paper.SlicedTraining, error) {
	begin := time.Now()
	b := l.newBar("figure 1")
	done := make([]atomic.Int64, len(configs))
	trained := make([]paper.SlicedTraining, len(configs))
	group, ctx := errgroup.WithContext(ctx)
	if l.full {
		group.SetLimit(1)
	}
	for i, c := range configs {
		group.Go(func() error {
			o := l.training
			o.Progress = func(now training.Progress) {
				done[i].Store(int64(now.Iteration))
				b.set(total(done), int64(len(configs)*now.Iterations), fmt.Sprintf("%s: loss %.3g", c.Name, now.Loss))
			}
			r, err := training.Run(ctx, c, o)
			if err == nil {
				trained[i] = paper.SlicedTraining{Name: c.Name, Noise: c.Loss.NoiseStd, History: losses(r), Every: c.Training.LogEvery}
			}
			return err
		})
	}
	err := group.Wait()
	b.close(err == nil, tidy(time.Since(begin)).String())
	return trained, err
}

func total(counts []atomic.Int64) int64 {
	var sum int64
	for i := range counts {
		sum += counts[i].Load()
	}
	return sum
}
