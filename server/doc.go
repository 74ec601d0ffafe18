// Package server is the sampling service. It loads models, listens, answers calls and stops cleanly.
//
// The parts are packages of their own: rpc answers calls, host keeps models loaded, batch draws the chains of all calls
// to a model, and ort runs the model's network. This package reads the configuration and starts and stops the parts in
// order.
package server
