package langevinv1

// Limits of the API. They hold for every server, so clients can plan with them.
const (
	// MaxEventBytes is the largest size of the tensor in one event of Sample, unless one sample is larger.
	MaxEventBytes = 1 << 20
	// MaxPreviewBytes is the largest total size of the previews of one Sample call.
	MaxPreviewBytes = 64 << 20
	// DefaultPreviewChains is the number of chains that a preview shows if the request does not say.
	DefaultPreviewChains = 16
	// RowQuantum is the number of rows that a server pads a batch to. A client that divides chains among servers gives
	// each a multiple of it.
	RowQuantum = 16
)
