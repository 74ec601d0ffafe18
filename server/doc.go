// Package server is the sampling service: it loads models, listens, answers, and stops cleanly.
//
// The parts are packages of their own. rpc answers calls, host knows which models are loaded, batch draws the chains of
// all calls to one model, ort runs its network. This package reads the configuration and says in which order the
// parts start and stop.
package server
