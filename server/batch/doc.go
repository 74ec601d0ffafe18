// Package batch is the scheduler. It draws the chains of many jobs together through one model.
//
// A job is the chains of one request. A worker owns a block of chains and repeats a loop: admit, evaluate, advance,
// emit, retire. One pass of the loop is a tick. A tick calls the model once for chains of different jobs, samplers and
// noise levels. Chains join and leave a block only between ticks. During a tick only the worker touches them.
//
// A sample is a pure function of the model, the plan, the seed and the chain's index. So no decision of this package
// can change a bit of a sample: which chains share a tick, which worker has them, or whether a chain is taken back and
// resumed later. The package can therefore be fair. Callers are served by deficit round robin, and a job with more than
// its share gives up chains for jobs that wait.
package batch
