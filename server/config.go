package server

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/langevin-ml/langevin/internal/loopback"
	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/ort"
	"github.com/langevin-ml/langevin/ort/proof"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// Config has all settings of a server. The tags are the keys of the YAML file. The setting limits.max_chains has the
// environment variable LANGEVIN_LIMITS_MAX_CHAINS and the flag --limits-max-chains. [Default] has the defaults.
type Config struct {
	// Version is the program's, if the linker has set it, for who asks a server what it is. It is no setting.
	Version string `mapstructure:"-"`

	Listen      string            `mapstructure:"listen" help:"address for gRPC: host:port (port 0 picks a free one), or unix:///path of a socket"`
	Models      ModelsConfig      `mapstructure:"models"`
	ONNXRuntime ONNXRuntimeConfig `mapstructure:"onnxruntime"`
	Device      string            `mapstructure:"device" help:"device for the networks: cpu, cuda or cuda:N (the server does not start without it), or auto (a GPU if there is one)"`
	Workers     int               `mapstructure:"workers" help:"concurrent score evaluations; 0 means one for each CPU, or a few on a GPU"`
	Limits      LimitsConfig      `mapstructure:"limits"`
	GRPC        GRPCConfig        `mapstructure:"grpc"`
	HTTP        HTTPConfig        `mapstructure:"http"`
	TLS         TLSConfig         `mapstructure:"tls"`
	Auth        AuthConfig        `mapstructure:"auth"`
	Quota       QuotaConfig       `mapstructure:"quota"`
	DrainDelay  time.Duration     `mapstructure:"drain_delay" help:"how long to accept calls after SIGTERM while health is already down, so that load balancers notice"`
	Drain       time.Duration     `mapstructure:"drain_timeout" help:"how long running calls may continue after SIGTERM"`
	Admin       AdminConfig       `mapstructure:"admin"`
	Metrics     MetricsConfig     `mapstructure:"metrics"`
	Tracing     TracingConfig     `mapstructure:"tracing"`
	Log         LogConfig         `mapstructure:"log"`
}

// ModelsConfig says where models are and how they are named.
type ModelsConfig struct {
	Dir     string        `mapstructure:"dir" help:"folder of models, NAME/VERSION/model.onnx, in addition to the built-in ones"`
	BuiltIn bool          `mapstructure:"builtin" help:"serve the built-in models"`
	Aliases Aliases       `mapstructure:"aliases" help:"other names of models, as stable=ring@1,latest=ring; in the file, a list of name, model and version"`
	Watch   bool          `mapstructure:"watch" help:"reload models when models.dir changes"`
	Source  string        `mapstructure:"source" help:"where models come from instead of models.dir: oci://REGISTRY/REPOSITORY:TAG, s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or file:///FOLDER, each perhaps with @sha256:DIGEST"`
	Poll    time.Duration `mapstructure:"poll" help:"how often to look for changes in models.source; 0 means never, and then a reload looks"`
	Cache   string        `mapstructure:"cache" help:"folder in which models.source is kept; empty means langevin/sources in the user's cache folder"`
	Default string        `mapstructure:"default" help:"model for requests that name none; the server is ready when it is"`

	AllowOperators Operators     `mapstructure:"allow_operators" help:"operators that networks may have though score networks do not need them, as Mod,Loop; only for files that you trust"`
	MaxFileBytes   int64         `mapstructure:"max_file_bytes" help:"size of a model file"`
	ProofMemory    int64         `mapstructure:"proof_memory" help:"bytes of memory that a model may need in the process that proves it before it is loaded"`
	ProofTime      time.Duration `mapstructure:"proof_time" help:"processor time that a model may need there"`
	KeepProofs     bool          `mapstructure:"keep_proofs" help:"remember in the user's cache folder which model files passed, so that a restart need not prove them again"`
}

// ONNXRuntimeConfig configures ONNX Runtime.
type ONNXRuntimeConfig struct {
	Library string `mapstructure:"library" help:"path of the ONNX Runtime shared library; empty searches the usual places"`
	TF32    bool   `mapstructure:"tf32" help:"let a GPU round the factors of products to 10 bits; faster, but the samples change"`
}

// LimitsConfig bounds requests and the work that waits.
type LimitsConfig struct {
	MaxChains      int   `mapstructure:"max_chains" help:"chains of one Sample call"`
	MaxSteps       int   `mapstructure:"max_steps" help:"score evaluations of one chain"`
	MaxScoreRows   int   `mapstructure:"max_score_rows" help:"points of one Score call"`
	MaxParticles   int   `mapstructure:"max_particles" help:"particles of one chain that is drawn given a measurement"`
	MaxOpenChains  int   `mapstructure:"max_open_chains" help:"chains of all open calls to one model; more calls are refused"`
	MaxOpenBytes   int64 `mapstructure:"max_open_bytes" help:"bytes of memory that all open calls hold; more calls are refused"`
	MaxStreams     int   `mapstructure:"max_streams" help:"concurrent calls on one connection"`
	MaxHeaderBytes int   `mapstructure:"max_header_bytes" help:"size of a call's metadata"`
	Memory         int64 `mapstructure:"memory" help:"bytes of memory from which on the server collects garbage harder; 0 means 80% of the machine's or container's, or $GOMEMLIMIT"`

	MaxWait               time.Duration `mapstructure:"max_wait" help:"how long a call may wait for the work before it; one that would wait longer is refused, one that starts at once is not"`
	MaxConnections        int           `mapstructure:"max_connections" help:"open connections of each listener; 0 means a quarter of the files that the process may open, and at most 4096"`
	MaxConnectionsPerHost int           `mapstructure:"max_connections_per_host" help:"open connections of one host to each listener (of one /64 network for IPv6); 0 means no bound of its own, as behind a proxy"`

	MaxCallTime       time.Duration `mapstructure:"max_call_time" help:"how long a call may run, even if its deadline is later"`
	SlowReaderTimeout time.Duration `mapstructure:"slow_reader_timeout" help:"how long a client may leave a message unread before its call ends"`
}

// GRPCConfig configures the connections.
type GRPCConfig struct {
	MaxReceiveBytes  int           `mapstructure:"max_receive_bytes" help:"size of one message from a client"`
	MaxSendBytes     int           `mapstructure:"max_send_bytes" help:"size of one message to a client"`
	Reflection       bool          `mapstructure:"reflection" help:"let tools such as grpcurl ask for the API"`
	HandshakeTimeout time.Duration `mapstructure:"handshake_timeout" help:"how long a new connection may take to be set up, also on the HTTP, admin and metrics listeners"`
	KeepaliveTime    time.Duration `mapstructure:"keepalive_time" help:"how long a connection may be silent before the server pings the client"`
	KeepaliveTimeout time.Duration `mapstructure:"keepalive_timeout" help:"how long the client may take to answer the ping"`
	KeepaliveMinTime time.Duration `mapstructure:"keepalive_min_time" help:"shortest time between pings of a client; a client that pings more often is disconnected"`
	MaxConnectionAge time.Duration `mapstructure:"max_connection_age" help:"how long (within 10%) until a client is told to reconnect; running calls finish"`
}

// TLSConfig names the PEM files for encrypted connections. They are read again when they change.
type TLSConfig struct {
	Cert     string `mapstructure:"cert" help:"certificate chain of the server; empty means plaintext"`
	Key      string `mapstructure:"key" help:"private key of the certificate"`
	ClientCA string `mapstructure:"client_ca" help:"authorities of client certificates; unless empty, clients must present one"`
}

// AuthConfig says who may call. The token file is read again when it changes; [auth.Tokens] has its format.
type AuthConfig struct {
	Tokens         string `mapstructure:"tokens" help:"file of bearer tokens, made with langevin token; if empty, everybody may call"`
	AllowPlaintext bool   `mapstructure:"allow_plaintext" help:"accept tokens over plaintext from other machines, for a server behind a proxy that encrypts"`
}

// QuotaConfig bounds the requests of each caller. A caller is the owner of a token, else a client certificate, else a
// host.
type QuotaConfig struct {
	CallsPerSecond    int   `mapstructure:"calls_per_second" help:"calls of one caller; 0 means no bound"`
	CallsBurst        int   `mapstructure:"calls_burst" help:"calls that one caller may make at once"`
	RowStepsPerSecond int64 `mapstructure:"row_steps_per_second" help:"chains times network evaluations of one caller; 0 means no bound"`
	RowStepsBurst     int64 `mapstructure:"row_steps_burst" help:"the same, at once; also the largest cost of one request"`
}

// AdminConfig says where metrics, profiles and the AdminService are served.
type AdminConfig struct {
	Listen      string `mapstructure:"listen" help:"host:port for /metrics, /healthz, /readyz, /debug/pprof and the AdminService; empty means none"`
	AllowRemote bool   `mapstructure:"allow_remote" help:"allow other machines to reach admin.listen, which has no password"`
}

// MetricsConfig says where metrics and health are served to other machines.
type MetricsConfig struct {
	Listen string `mapstructure:"listen" help:"host:port for /metrics, /healthz and /readyz alone, for probes and Prometheus on other machines; empty means none"`
}

// TracingConfig says where OpenTelemetry traces are sent.
type TracingConfig struct {
	Endpoint    string  `mapstructure:"endpoint" help:"host:port of an OpenTelemetry collector (OTLP over gRPC); empty means none"`
	Insecure    bool    `mapstructure:"insecure" help:"send traces without TLS"`
	SampleRatio float64 `mapstructure:"sample_ratio" help:"fraction of calls to trace, 0 to 1; calls that belong to a trace are always traced"`
}

// LogConfig says what is logged, and in which format.
type LogConfig struct {
	Level  slog.Level `mapstructure:"level" help:"debug, info, warn or error"`
	Format string     `mapstructure:"format" help:"text or json"`
}

// Default returns the configuration of a server without any settings.
func Default() Config {
	return Config{
		Listen: "localhost:50051",
		Models: ModelsConfig{
			Default: "ring", BuiltIn: true,
			MaxFileBytes: models.DefaultMaxFileBytes, ProofMemory: proof.DefaultMemory, ProofTime: proof.DefaultTime,
			KeepProofs: true,
		},
		Device: "cpu",
		Limits: LimitsConfig{
			MaxChains:      1_000_000,
			MaxSteps:       100_000,
			MaxScoreRows:   65_536,
			MaxParticles:   256,
			MaxOpenChains:  4_000_000,
			MaxOpenBytes:   1 << 30,
			MaxStreams:     128,
			MaxHeaderBytes: 16 << 10,

			MaxWait:           time.Minute,
			MaxCallTime:       4 * time.Hour,
			SlowReaderTimeout: 2 * time.Minute,
		},
		HTTP: HTTPConfig{Listen: "localhost:8080", MaxBodyBytes: 16 << 20, MaxOpenBodyBytes: 64 << 20},
		GRPC: GRPCConfig{
			MaxReceiveBytes:  4 << 20,
			MaxSendBytes:     16 << 20,
			Reflection:       true,
			HandshakeTimeout: 10 * time.Second,
			KeepaliveTime:    time.Minute,
			KeepaliveTimeout: 20 * time.Second,
			KeepaliveMinTime: langevinv1.MinKeepalive,
			MaxConnectionAge: 30 * time.Minute,
		},
		Quota:   QuotaConfig{CallsBurst: 100, RowStepsBurst: 1_000_000_000},
		Drain:   30 * time.Second,
		Tracing: TracingConfig{SampleRatio: 1},
		Log:     LogConfig{Level: slog.LevelInfo, Format: "text"},
	}
}

// Validate reports every setting that is out of range, with its key, the given value and what is allowed.
func (c Config) Validate() error {
	var errs []error
	require := func(ok bool, key string, given any, want string) {
		if !ok {
			errs = append(errs, fmt.Errorf("%s is %v: want %s", key, given, want))
		}
	}
	_, _, err := net.SplitHostPort(c.HTTP.Listen)
	require(err == nil || c.HTTP.Listen == "", "http.listen", fmt.Sprintf("%q", c.HTTP.Listen),
		"host:port, such as localhost:8080 or :8080, or nothing")
	require(validListen(c.Listen), "listen", fmt.Sprintf("%q", c.Listen),
		"host:port, such as localhost:50051 or :50051, or unix:///path of a socket")
	c.validateSecurity(require)
	_, err = ort.ParseDevice(c.Device)
	require(err == nil || c.Device == ort.DeviceAuto, "device", fmt.Sprintf("%q", c.Device),
		"cpu, cuda, cuda:N or auto")
	require(!c.ONNXRuntime.TF32 || c.Device != ort.DeviceCPU, "onnxruntime.tf32", c.ONNXRuntime.TF32,
		"device to be cuda, cuda:N or auto")
	require(models.ValidName(c.Models.Default), "models.default", fmt.Sprintf("%q", c.Models.Default), "a model's name")
	if dir := c.Models.Dir; dir != "" {
		info, err := os.Stat(dir)
		require(err == nil && info.IsDir(), "models.dir", fmt.Sprintf("%q", dir), "an existing folder")
	}
	c.Models.validateSource(require)
	require(c.Models.BuiltIn || c.Models.Dir != "" || c.Models.Source != "", "models.builtin", c.Models.BuiltIn,
		"true, or models.dir or models.source to be set")
	require(!c.Models.Watch || c.Models.Dir != "", "models.watch", c.Models.Watch, "models.dir to be set")
	errs = append(errs, c.Models.checkSource(), c.Models.Aliases.validate())
	err = models.Rules{Operators: c.Models.AllowOperators}.Validate()
	require(err == nil, "models.allow_operators", fmt.Sprintf("%q", c.Models.AllowOperators),
		"ONNX's names, such as Mod or com.microsoft.Gelu")
	require(c.Log.Format == "text" || c.Log.Format == "json", "log.format", fmt.Sprintf("%q", c.Log.Format),
		"text or json")
	require(c.Admin.Listen == "" || c.Admin.AllowRemote || loopback.Only(c.Admin.Listen),
		"admin.listen", fmt.Sprintf("%q", c.Admin.Listen),
		"a loopback address, such as localhost:9090, unless admin.allow_remote is set")
	require(c.Metrics.Listen == "" || isHostPort(c.Metrics.Listen), "metrics.listen",
		fmt.Sprintf("%q", c.Metrics.Listen), "host:port, such as :9091, or nothing")
	require(c.Tracing.Endpoint == "" || isHostPort(c.Tracing.Endpoint),
		"tracing.endpoint", fmt.Sprintf("%q", c.Tracing.Endpoint), "host:port, such as localhost:4317")
	require(c.Tracing.SampleRatio >= 0 && c.Tracing.SampleRatio <= 1,
		"tracing.sample_ratio", c.Tracing.SampleRatio, "0 to 1")
	require(c.Limits.Memory == 0 || c.Limits.Memory >= leastMemory, "limits.memory", c.Limits.Memory,
		fmt.Sprintf("0 or at least %d", leastMemory))
	for _, limit := range c.limits() {
		require(limit.value >= limit.least && limit.value <= limit.most, limit.key, limit.value, limit.wants())
	}
	for _, t := range c.times() {
		require(t.value >= t.least, t.key, t.value, fmt.Sprintf("%v or more", t.least))
	}
	return errors.Join(errs...)
}

func isHostPort(address string) bool {
	_, _, err := net.SplitHostPort(address)
	return err == nil
}
