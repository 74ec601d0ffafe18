package langevinv1

// RequestIDHeader is the metadata key that names a call. The caller may send a name. The server answers with it, or
// with a name that it makes, and its log contains the name.
const RequestIDHeader = "x-request-id"

// ErrorDomain is ErrorInfo.domain of every error that a Langevin server reports on purpose.
const ErrorDomain = "langevin.dev"

// The values of ErrorInfo.reason. They are part of the API: servers send them and clients decide by them. Clients do
// not read the message, which is for people.
const (
	ReasonInvalid          = "INVALID"            // INVALID_ARGUMENT: a field is out of range; BadRequest names it
	ReasonModelNotFound    = "MODEL_NOT_FOUND"    // NOT_FOUND: no such model or version
	ReasonModelFailed      = "MODEL_FAILED"       // FAILED_PRECONDITION: the model is there but did not load
	ReasonModelLoading     = "MODEL_LOADING"      // UNAVAILABLE: the model is still loading; see RetryInfo
	ReasonDiverged         = "DIVERGED"           // FAILED_PRECONDITION: a chain left the finite numbers
	ReasonCollapsed        = "WEIGHTS_COLLAPSED"  // FAILED_PRECONDITION: particles of a chain; see refuse_collapsed
	ReasonNoDetector       = "NO_DETECTOR"        // FAILED_PRECONDITION: langevin detect fit adds one
	ReasonTolerance        = "TOLERANCE"          // FAILED_PRECONDITION: a flow cannot be solved to the tolerance
	ReasonQueueFull        = "QUEUE_FULL"         // RESOURCE_EXHAUSTED: too much work waits; see RetryInfo
	ReasonDeadlineTooShort = "DEADLINE_TOO_SHORT" // DEADLINE_EXCEEDED: refused or ended early: it cannot be met
	ReasonUnauthenticated  = "UNAUTHENTICATED"    // UNAUTHENTICATED: the server needs a token that it knows
	ReasonForbidden        = "FORBIDDEN"          // PERMISSION_DENIED: the token lacks the scope that the method needs
	ReasonQuota            = "QUOTA_EXCEEDED"     // RESOURCE_EXHAUSTED: see QuotaFailure, and RetryInfo if it helps
	ReasonSlowConsumer     = "SLOW_CONSUMER"      // RESOURCE_EXHAUSTED: the client left messages unread for too long
	ReasonDraining         = "DRAINING"           // UNAVAILABLE: the server is stopping; another may answer
)
