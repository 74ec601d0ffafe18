package client

import (
	"math"
	"slices"

	"google.golang.org/protobuf/proto"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// Sampler is [AnnealedLangevin], [Langevin], [PredictorCorrector] or [ProbabilityFlow]. Zero fields mean the defaults.
type Sampler interface {
	// wire returns the message of s. Its optional fields are absent where the fields of s are zero.
	wire() (proto.Message, error)
}

// SamplerMessage returns the API's message of s, for programs that build requests themselves. It returns an error for a
// word that the API does not know and for a number that a message cannot hold.
func SamplerMessage(s Sampler) (proto.Message, error) { return s.wire() }

// SamplerOf returns the sampler that a message of the API configures; nil if this client knows no such sampler.
func SamplerOf(message proto.Message) Sampler { return readSampler(message) }

// samplerIn returns the sampler in a message; nil if it has none that this client knows.
func samplerIn(holder proto.Message) Sampler { return readSampler(langevinv1.SamplerIn(holder)) }

// setSampler puts s into a request, unless it is nil.
func setSampler(w *langevinv1.SampleRequest, s Sampler) error {
	if s == nil {
		return nil
	}
	message, err := s.wire()
	if err == nil {
		langevinv1.SetSampler(w, message)
	}
	return err
}

// conversion keeps the first error of the conversion of a sampler to its message.
type conversion struct{ err error }

// count returns nil for 0, which means the default.
func (c *conversion) count(field string, v int) *int32 {
	n, err := toInt32(field, v)
	c.fail(err)
	return optional(n)
}

func (c *conversion) fail(err error) {
	if c.err == nil {
		c.err = err
	}
}

// choose is [number] for a conversion.
func choose[N ~int32, W ~string](c *conversion, field string, words []W, word W) N {
	n, err := number[N](field, words, word)
	c.fail(err)
	return n
}

// number returns the API's value of a word.
func number[N ~int32, W ~string](field string, words []W, word W) (N, error) {
	i := slices.Index(words, word)
	if i < 0 {
		return 0, invalid(field, "%s is %q: want one of %q", field, word, words[1:])
	}
	return N(i), nil
}

// word returns the word of a value of the API, or its number if this client does not know it.
func word[N interface {
	~int32
	String() string
}, W ~string](words []W, value N) W {
	if value >= 0 && int(value) < len(words) {
		return words[value]
	}
	return W(value.String())
}

// optional returns nil for the zero value, which means the default.
func optional[T comparable](v T) *T {
	if v == *new(T) {
		return nil
	}
	return new(v)
}

// toInt32 returns an error for a number that an int32 cannot hold.
func toInt32(field string, v int) (int32, error) {
	if v < math.MinInt32 || v > math.MaxInt32 {
		return 0, invalid(field, "%s is %d: want at most %d", field, v, math.MaxInt32)
	}
	return int32(v), nil
}
