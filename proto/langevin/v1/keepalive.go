package langevinv1

import "time"

// MinKeepalive is the shortest time between two pings of a client. Servers close connections that ping more often.
const MinKeepalive = 30 * time.Second

// EventEvery is how often a Sample call sends an event, if only of its progress. Calls report together, so two events
// can be half as much further apart.
const EventEvery = 200 * time.Millisecond
