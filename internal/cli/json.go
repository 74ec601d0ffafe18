package cli

import (
	"encoding/json"
	"io"
)

// WriteJSON writes v as one line.
func WriteJSON(w io.Writer, v any) error { return json.NewEncoder(w).Encode(v) }
