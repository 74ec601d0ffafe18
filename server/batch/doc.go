// Package batch is the scheduler: it draws the chains of many jobs at once through one model.
//
// A job is the chains of one request. A worker owns a block of chains and loops: admit, evaluate, advance, emit,
// retire. One turn of the loop is a tick: one call of the model that serves chains of different jobs, samplers and
// noise levels. Chains join and leave at tick boundaries only; between ticks nobody but the worker touches them.
//
// Because a sample is a pure function of the model, the plan, the seed and the chain's index, nothing that this
// package decides can change a bit of any sample: neither which chains share a tick, nor which worker has them, nor
// whether a chain is taken back half-way and resumed later. So it is free to be fair: callers take turns by deficit
// round robin, and a chain of a job that holds more than its share makes room for one that has to wait.
package batch
