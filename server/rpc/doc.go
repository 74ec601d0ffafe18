// Package rpc answers the langevin.v1 API. It decodes and validates requests, calls the scheduler of the requested
// model and encodes the results. Handlers return ordinary errors; one table turns them into statuses.
package rpc
