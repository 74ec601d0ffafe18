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
// A training is a pure function of its Config: batch and noise of an iteration are drawn from (seed, iteration) by
// counter, so that it does not matter when or on which goroutine that happens. So a training can be stopped and go on
// from its checkpoint, [Options].Resume, and comes out as if it had not been.
//
// The parts are packages of their own: nn has the networks, loss the objectives, data the datasets.
package training
