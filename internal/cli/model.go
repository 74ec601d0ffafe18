package cli

import (
	"math"
	"strconv"
	"strings"

	"github.com/langevin-ml/langevin/internal/phrase"
)

// SplitModel reads the name and the version of a model from "ring" or "ring@2". Version 0 means that none is given.
func SplitModel(text string) (name string, version int, err error) {
	name, after, found := strings.Cut(text, "@")
	if !found {
		return name, 0, nil
	}
	version, err = strconv.Atoi(after)
	switch {
	case err == nil && version > math.MaxInt32:
		return "", 0, Usagef("model is %s: want a version of at most %d", phrase.Quoted(text), math.MaxInt32)
	case err != nil || version < 1 || name == "":
		return "", 0, Usagef("model is %s: want a name, or a name and a version as ring@2", phrase.Quoted(text))
	}
	return name, version, nil
}
