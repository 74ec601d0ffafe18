package paper

import (
	"context"
	"fmt"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/langevin-ml/langevin/training"
	"github.com/langevin-ml/langevin/training/data"
)

// smallPixelNoise returns the settings of figure 1 for half a minute of a core for each side. The noise is larger than
// the paper's, because smaller noise takes longer to learn.
func smallPixelNoise() []string {
	return []string{
		"data.name=mnist", "data.image_size=8", "network.ngf=8", "loss.noise_std=0.05", "training.iterations=1000",
		"training.batch_size=32", "training.log_every=10", "training.test_every=0", "training.checkpoint_every=0",
		"training.eval_rows=256",
	}
}

// pixelNoise trains with and without noise on the pixels. With Full it trains on CIFAR-10 as the paper does, and
// otherwise on small digits.
func (n Networks) pixelNoise(ctx context.Context) (Section, error) {
	settings, dir, missing := smallPixelNoise(), n.MNIST, n.NoMNIST
	note := "Sizes of a CPU: MNIST at 8 x 8, 8 channels, 1,000 iterations of 32 images, noise of standard deviation " +
		"0.05. With noise the loss falls steadily, but has not come to its end by then. The paper's sizes, which the " +
		"full experiments take: CIFAR-10, 32 channels, 50,001 iterations of 128 images, noise of 0.01."
	if n.Full {
		settings, dir, missing, note = nil, n.CIFAR10, n.NoCIFAR10, ""
	}
	noisy, err := configured("scorenet", append(settings, "data.dir="+dir, "name=noisy")...)
	if err != nil {
		return Section{}, err
	}
	clean, err := noisy.With("name=clean", "loss.noise_std=0")
	if err != nil {
		return Section{}, err
	}
	for _, split := range []data.Split{data.Train, data.Test} {
		if _, err := noisy.Data.Images(split); err != nil {
			return WithoutPixelNoise(fmt.Sprintf("%v; %s", err, missing)), nil
		}
	}
	both, err := n.trainSliced(ctx, clean, noisy)
	if err != nil {
		return Section{}, err
	}
	return PixelNoiseSection(both[0], both[1], note), nil
}

// trainSliced runs trainings on small images at the same time, because each has work for one core only. With Full they
// run one after the other.
func (n Networks) trainSliced(ctx context.Context, configs ...training.Config) ([]SlicedTraining, error) {
	done := make([]atomic.Int64, len(configs))
	trained := make([]SlicedTraining, len(configs))
	err := n.Watch("figure 1", func(progress func(done, total int, now string)) error {
		group, ctx := errgroup.WithContext(ctx)
		if n.Full {
			group.SetLimit(1)
		}
		for i, c := range configs {
			group.Go(func() error {
				r, err := n.Laboratory.Train(ctx, c, func(now training.Progress) {
					done[i].Store(int64(now.Iteration))
					progress(sum(done), len(configs)*now.Iterations, fmt.Sprintf("%s: loss %.3g", c.Name, now.Loss))
				})
				if err == nil {
					trained[i] = SlicedTraining{
						Name: c.Name, Noise: c.Loss.NoiseStd, History: losses(r), Every: c.Training.LogEvery,
					}
				}
				return err
			})
		}
		return group.Wait()
	})
	return trained, err
}

func sum(counts []atomic.Int64) (total int) {
	for i := range counts {
		total += int(counts[i].Load())
	}
	return total
}
