// Package client draws samples from a Langevin server.
//
//	c, err := client.New("localhost:50051")
//	res, err := c.Sample(ctx, client.SampleRequest{Model: "ring", N: 1000})
//
// A sample is a pure function of the model's digest, the sampler's settings, the seed and the chain's index. What a
// [Result] says about itself is enough to draw the same again, all of it or any part (see SampleRequest.FirstChain).
//
// [Client.Sample] waits for the whole result. [Client.Stream] gives the events on the way: progress, previews of
// chains that are still moving, chunks of the result. [Client.Score] asks for the vector field itself,
// [Client.Encode], [Client.Decode] and [Client.LogLikelihood] solve its probability flow, [Client.Models] says which
// models there are.
//
// A call that fails before its first answer is tried again where that may help ([WithRetry]). Since a sample depends on
// nothing but what the request says, more can be had for the asking: [WithResume] lets a call outlive its server,
// [WithSplit] draws one over many servers, and both give the bits of one unbroken call.
//
// Every error of a call is an [*Error]. What went wrong is told apart with errors.Is: [ErrModelNotFound],
// [ErrQueueFull], [ErrDiverged] and the others, context.Canceled and context.DeadlineExceeded.
// status.FromError works too.
//
// The package needs gRPC and protobuf and nothing else: no ONNX Runtime, no cgo. It logs nothing
// unless it is given a log ([WithLogger]) and leaves no goroutine behind. To test code that uses it, see package fake.
package client
