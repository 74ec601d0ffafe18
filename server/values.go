package server

import (
	"fmt"
	"math"
	"time"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/ort/proof"
)

// Values says which values a setting takes, as far as that depends neither on other settings nor on the machine.
type Values struct {
	Type    string  // boolean, integer, number, duration, text, or list for one that is a list in the file too
	Least   float64 // of a number, or of a duration in nanoseconds; -Inf if there is no bound
	Most    float64 // +Inf if there is no bound
	Zero    bool    // 0 may be given too, below Least
	Pattern string  // a regular expression of all texts that may be given; empty for any
}

// values returns which values a setting takes, from what [Config.Validate] checks.
func (s setting) values() Values {
	v := Values{Type: s.kind(), Least: math.Inf(-1), Most: math.Inf(1), Pattern: patterns()[s.key]}
	for _, l := range Default().limits() {
		if l.key == s.key {
			v.Least = float64(l.least)
			if l.most < math.MaxInt64 {
				v.Most = float64(l.most)
			}
		}
	}
	for _, t := range Default().times() {
		if t.key == s.key {
			v.Least = float64(t.least)
		}
	}
	switch s.key {
	case "tracing.sample_ratio":
		v.Least, v.Most = 0, 1
	case "limits.memory":
		v.Least, v.Zero = leastMemory, true
	case "models.poll":
		v.Least, v.Zero = float64(leastPoll), true
	case "limits.max_connections": // the largest is the machine's
		v.Least = 0
	}
	return v
}

func (s setting) kind() string {
	switch s.value.Interface().(type) {
	case bool:
		return "boolean"
	case int, int64:
		return "integer"
	case float64:
		return "number"
	case time.Duration:
		return "duration"
	case Aliases, Operators:
		return "list"
	}
	return "text"
}

// patterns returns regular expressions of the texts that some settings may be, by key.
func patterns() map[string]string {
	const hostPort = `^$|^([^:\[\]]*|\[[^\[\]]*\]):[^:\[\]]*$`
	return map[string]string{
		"device":           `^(auto|cpu|cuda(:([0-9]|[1-9][0-9]|1[01][0-9]|12[0-7]))?)$`,
		"models.default":   models.NamePattern,
		"models.source":    `^$|^(oci|s3|gs|file)://.`,
		"http.listen":      hostPort,
		"admin.listen":     hostPort,
		"metrics.listen":   hostPort,
		"tracing.endpoint": hostPort,
		"log.format":       `^(text|json)$`,
		"log.level":        `^(?i:debug|info|warn|error)([+-][0-9]+)?$`,
	}
}

// Sizes below which nothing works: a message and its metadata must have room for a request of a few points, an answer
// for a chunk of results, and the memory of open calls for a small one.
const leastMessage, leastAnswer, leastOpen = 4 << 10, 512 << 10, 64 << 10

// limit is a setting with the least and the largest value that it may have.
type limit struct {
	key                string
	value, least, most int64
}

func (l limit) wants() string {
	if l.most == math.MaxInt64 {
		return fmt.Sprintf("%d or more", l.least)
	}
	return fmt.Sprintf("%d to %d", l.least, l.most)
}

func (c Config) limits() []limit {
	return []limit{
		{"workers", int64(c.Workers), 0, 1024},
		{"models.max_file_bytes", c.Models.MaxFileBytes, 1, models.MaxFileBytes},
		{"models.proof_memory", c.Models.ProofMemory, proof.LeastMemory, math.MaxInt64},
		{"limits.max_chains", int64(c.Limits.MaxChains), 1, math.MaxInt32},
		{"limits.max_steps", int64(c.Limits.MaxSteps), 1, 10_000_000},
		{"limits.max_score_rows", int64(c.Limits.MaxScoreRows), 1, math.MaxInt32},
		{"limits.max_particles", int64(c.Limits.MaxParticles), 2, 65_536},
		{"limits.max_open_chains", int64(c.Limits.MaxOpenChains), 1, math.MaxInt32},
		{"limits.max_open_bytes", c.Limits.MaxOpenBytes, leastOpen, math.MaxInt64},
		{"limits.max_streams", int64(c.Limits.MaxStreams), 1, math.MaxInt32},
		{"limits.max_header_bytes", int64(c.Limits.MaxHeaderBytes), leastMessage, 16 << 20},
		{"limits.max_connections_per_host", int64(c.Limits.MaxConnectionsPerHost), 0, math.MaxInt64},
		{"grpc.max_receive_bytes", int64(c.GRPC.MaxReceiveBytes), leastMessage, math.MaxInt32},
		{"http.max_body_bytes", c.HTTP.MaxBodyBytes, leastMessage, math.MaxInt32},
		{"http.max_open_body_bytes", c.HTTP.MaxOpenBodyBytes, 1, math.MaxInt64},
		{"grpc.max_send_bytes", int64(c.GRPC.MaxSendBytes), leastAnswer, math.MaxInt32},
		{"quota.calls_per_second", int64(c.Quota.CallsPerSecond), 0, math.MaxInt64},
		{"quota.calls_burst", int64(c.Quota.CallsBurst), 1, math.MaxInt32},
		{"quota.row_steps_per_second", c.Quota.RowStepsPerSecond, 0, math.MaxInt64},
		{"quota.row_steps_burst", c.Quota.RowStepsBurst, 1, math.MaxInt64},
	}
}

// span is a setting with the shortest time that it may be.
type span struct {
	key          string
	value, least time.Duration
}

func (c Config) times() []span {
	return []span{
		{"models.proof_time", c.Models.ProofTime, time.Second},
		{"drain_delay", c.DrainDelay, 0},
		{"drain_timeout", c.Drain, 0},
		{"limits.max_wait", c.Limits.MaxWait, time.Millisecond},
		{"limits.max_call_time", c.Limits.MaxCallTime, time.Millisecond},
		{"limits.slow_reader_timeout", c.Limits.SlowReaderTimeout, time.Millisecond},
		{"grpc.handshake_timeout", c.GRPC.HandshakeTimeout, time.Millisecond},
		{"grpc.keepalive_time", c.GRPC.KeepaliveTime, time.Second}, // the least that grpc-go accepts
		{"grpc.keepalive_timeout", c.GRPC.KeepaliveTimeout, time.Millisecond},
		{"grpc.keepalive_min_time", c.GRPC.KeepaliveMinTime, time.Millisecond},
		{"grpc.max_connection_age", c.GRPC.MaxConnectionAge, time.Millisecond},
	}
}
