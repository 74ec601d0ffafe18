// Package training trains score networks and writes them as ONNX models.
//
// A [Config] describes a whole training, and [Preset] returns complete ones. [Run] trains on GoMLX, over the ONNX
// Runtime library that also serves the models. It returns a [Result], whose ONNX method returns the bytes of a model
// file:
//
//	config, err := training.Preset("toy-ring")
//	err = config.Set("data.std=0.5")
//	result, err := training.Run(ctx, config, training.Options{Library: path})
//	file, err := result.ONNX()
//
// The bits of a result depend only on the Config, the device and the number of cores. The batch and the noise of an
// iteration are drawn by counter from (seed, iteration), so it does not matter when, or on which goroutine, they are
// drawn. A stopped training can resume from its checkpoint, see [Options]. Its result is then the same as without the
// stop.
//
// The subpackages are:
//
//   - data has the datasets, nn the networks, loss the objectives and optimizer the updates. Each has a Config that
//     looks up the words of the YAML in a table of package settings.
//   - learner moves the weights on a device. It uses programs from compile and the cores of pool.
//   - eval measures what was learned, figure and study draw it, and paper repeats the experiments of the papers.
package training
