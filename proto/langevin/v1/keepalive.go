package langevinv1

import "time"

// MinKeepalive is the shortest time between two pings of a client. Servers close connections that ping more often.
const MinKeepalive = 30 * time.Second
