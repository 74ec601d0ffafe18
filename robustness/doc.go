// Package robustness records what clients saw of a server under attack and checks the record against what the server
// promises. Its tests are the attack: traffic from well and ill behaved clients, faults at chosen places, overload,
// scale, and hours of change. docs/reliability.md lists the promises.
//
// Tests take a seed, and the same seed makes the same traffic and the same faults. The short form runs with make test,
// the long one with make robustness, and the longest with make soak.
package robustness
