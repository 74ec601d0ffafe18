// Package rpc answers the langevin.v1 API: it decodes and validates requests, calls the scheduler of the model asked
// for, and encodes what comes back. Handlers return ordinary errors; one table turns them into statuses.
package rpc
