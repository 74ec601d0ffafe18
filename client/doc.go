// Package client draws samples from a Langevin server.
//
//	c, err := client.New("localhost:50051")
//	res, err := c.Sample(ctx, client.SampleRequest{Model: "ring", N: 1000})
//
// A sample is a pure function of the model's digest, the sampler's settings, the seed and the chain's index. A [Result]
// contains all of them, so the same samples can be drawn again, all or in part (see SampleRequest.FirstChain).
//
// [Client.Sample] waits for the whole result. [Client.Stream] yields events while chains are drawn: progress, previews
// of moving chains, and chunks of the result. [Client.Score] evaluates the vector field itself. [Client.Encode],
// [Client.Decode] and [Client.LogLikelihood] integrate its probability flow. [Client.Models] lists the models.
//
// A call that fails before its first answer is retried if that may help ([WithRetry]). A sample depends on nothing but
// the request, so two options can do more: [WithResume] lets a call survive its server, and [WithSplit] draws one
// request on many servers. Both give the bits of one unbroken call.
//
// Every error of a call is an [*Error]. Use errors.Is to find its kind: [ErrModelNotFound], [ErrQueueFull],
// [ErrDiverged] and the others, context.Canceled and context.DeadlineExceeded. status.FromError works too.
//
// The package needs only gRPC and protobuf: no ONNX Runtime, no cgo. It logs nothing unless it is given a logger
// ([WithLogger]), and it leaves no goroutine behind. To test code that uses it, see package fake.
package client
