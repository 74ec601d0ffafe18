// Package training trains score networks and writes them as ONNX models.
//
// A [Config] says everything about a training; [Preset] has complete ones. [Run] trains, on GoMLX over the ONNX Runtime
// library that also serves the models, and returns a [Result], whose ONNX method gives the bytes of a model file that
// explains itself:
//
//	config, err := training.Preset("toy-ring")
//	err = config.Set("data.std=0.5")
//	result, err := training.Run(ctx, config, training.Options{Library: path})
//	file, err := result.ONNX()
//
// A training is a function of its Config, the device and the number of cores: the same three give the same bits. Batch
// and noise of an iteration are drawn from (seed, iteration) by counter, so it does not matter when or on which
// goroutine that happens. A training that was stopped goes on from its checkpoint, see [Options], and its result is
// that of one which never stopped.
//
// The parts are packages of their own:
//
//   - data has the datasets, nn the networks, loss the objectives and optimizer the updates; each has a Config that
//     answers what its words in the YAML mean, by the tables of settings;
//   - learner moves the weights on a device, on programs from compile and the cores of pool;
//   - eval measures what was learned, figure draws it, and paper repeats the papers' experiments.
package training
