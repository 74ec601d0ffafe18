// Package models defines what a model of Langevin is and where models are stored.
//
// A model is one .onnx file that describes itself. It has a graph that evaluates a score network and, in its metadata,
// a [Manifest] with everything else that sampling needs. No other file is read.
//
// # The graph
//
// The inputs are x, float32 [N, shape...], and sigma, float32 [N], one noise level for each row. The output is score,
// float32, with the shape of x. N is free. A row's output depends only on that row. The manifest's [Parameterization]
// says what the output means; samplers always see a score. A model of p(x|c) has a third input, c, see
// [Condition]. [Check] tests a graph against this contract, and refuses what a file from a stranger should not contain:
// tensors stored in other files, and operators that need a custom library. [Rewrite] replaces activations that ONNX
// Runtime computes slowly.
//
// # Words
//
//   - score: ∇ₓ log p_σ(x), of the shape of x
//   - sigma, σ: the standard deviation of the noise added to the data
//   - noise schedule: strictly decreasing sigmas, the largest first
//   - level: an index into the noise schedule, 0 for the largest sigma
//   - manifest: what a model needs to be served
//   - digest: the SHA-256 of a model file, the identity of a model in a sample's provenance
//
// # The repository
//
// A [Repository] finds models as NAME/VERSION/model.onnx, in the zoo embedded in the program ([Zoo]) and in a folder. A
// broken file is a [Problem] with its reason and does not affect the valid ones.
package models
