// Package learner keeps the weights of a network on a device and updates them.
//
// An [Objective] says what the weights learn: a loss for each row of a batch. [New] starts a [Learner] for it on a
// device. On a CPU it runs programs of package compile, and each core computes the gradient of its shard of a batch. On
// a GPU, GoMLX keeps the weights on the device.
package learner
