package langevinv1

import "time"

// MinKeepalive is how often a client may ask a server for a sign of life at most. Servers close connections that ask
// more often.
const MinKeepalive = 30 * time.Second
