// Package oip lets clients of the Open Inference Protocol version 2 (KServe, Triton, MLServer and their tools) list,
// inspect and sample the models, over the same engine as langevin.v1.
//
// Every score model is two models of the protocol. NAME draws samples:
//
//	inputs      num_samples  INT64 [1]          how many chains; 1 if absent
//	            init         FP32  [n, shape]   where the chains start; num_samples may then be absent
//	outputs     samples      FP32  [n, shape]   what is returned if nothing is asked for
//	            png          BYTES [n]          pictures, of models whose samples are images
//
// and NAME.score is the network itself:
//
//	inputs      x            FP32  [n, shape]
//	            sigma        FP32  [n] or [1]
//	outputs     score        FP32  [n, shape]
//
// ModelInfer returns the samples in one message. ModelStreamInfer returns previews, if the request asks for them, and
// then the samples, in several responses if there are many; triton_final_response marks the last. Parameters that are
// not known are refused.
package oip
