package langevinv1

// Limits of the API that clients can plan with, whatever server answers.
const (
	// MaxEventBytes is the size of the tensor in one event of Sample, for samples that are not larger themselves.
	MaxEventBytes = 1 << 20
	// MaxPreviewBytes is the size of all previews of one Sample call together.
	MaxPreviewBytes = 64 << 20
	// DefaultPreviewChains is how many chains a preview shows where the request does not say.
	DefaultPreviewChains = 16
	// RowQuantum is the number of rows that engines compute without waste: a client that divides chains among servers
	// gives each a multiple of it.
	RowQuantum = 16
)
