// Package oip lets clients of the Open Inference Protocol version 2 (KServe, Triton, MLServer and their tools) list,
// inspect and sample the models. It uses the same models and schedulers as langevin.v1.
//
// Every score model appears as two models of the protocol. NAME draws samples:
//
//	inputs      num_samples  INT64 [1]          number of chains; 1 if absent
//	            init         FP32  [n, shape]   where the chains start, not for tables; num_samples may then be absent
//	outputs     samples      FP32  [n, shape]   returned if the request names no output
//	            png          BYTES [n]          pictures, if the samples are images
//
// NAME.score is the network:
//
//	inputs      x            FP32  [n, shape]
//	            sigma        FP32  [n] or [1]
//	outputs     score        FP32  [n, shape]
//
// ModelInfer returns the samples in one message. ModelStreamInfer returns previews, if the request asks for them, and
// then the samples, in several responses if there are many; triton_final_response marks the last. Unknown parameters
// are refused.
package oip
