package langevinv1

// RequestIDHeader is the metadata that names a call: the caller may send one, and the server answers with it or with
// one of its own, which its log has too.
const RequestIDHeader = "x-request-id"

// ErrorDomain is ErrorInfo.domain of every error that a Langevin server reports on purpose.
const ErrorDomain = "langevin.dev"

// The values of ErrorInfo.reason. They are part of the API: servers send them, clients decide by them, and neither
// reads the message, which is for people.
const (
	ReasonInvalid          = "INVALID"            // INVALID_ARGUMENT: a field is out of range; BadRequest names it
	ReasonModelNotFound    = "MODEL_NOT_FOUND"    // NOT_FOUND: no such model or version
	ReasonModelFailed      = "MODEL_FAILED"       // FAILED_PRECONDITION: the model is there but did not load
	ReasonDiverged         = "DIVERGED"           // FAILED_PRECONDITION: a chain left the finite numbers
	ReasonTolerance        = "TOLERANCE"          // FAILED_PRECONDITION: a flow cannot be solved to the tolerance asked for
	ReasonQueueFull        = "QUEUE_FULL"         // RESOURCE_EXHAUSTED: too much work waits; RetryInfo says when to try again
	ReasonDeadlineTooShort = "DEADLINE_TOO_SHORT" // DEADLINE_EXCEEDED: refused at once, it could not be met
	ReasonUnauthenticated  = "UNAUTHENTICATED"    // UNAUTHENTICATED: the server wants a token and got none that it knows
	ReasonForbidden        = "FORBIDDEN"          // PERMISSION_DENIED: the token lacks the scope that the method needs
	ReasonQuota            = "QUOTA_EXCEEDED"     // RESOURCE_EXHAUSTED: the caller asked for too much; QuotaFailure, and RetryInfo if waiting helps
	ReasonSlowConsumer     = "SLOW_CONSUMER"      // RESOURCE_EXHAUSTED: the client left messages unread for too long
	ReasonDraining         = "DRAINING"           // UNAVAILABLE: the server is stopping; another may answer
)
