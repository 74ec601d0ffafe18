package oip

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/langevin-ml/langevin/models"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/server/oip/inference"
)

// scoreSuffix is added to a model's name to name its network.
const scoreSuffix = ".score"

// Sampler draws samples and evaluates networks.
type Sampler interface {
	Draw(ctx context.Context, req *langevinv1.SampleRequest, send func(*langevinv1.SampleResponse) error) error
	Score(context.Context, *langevinv1.ScoreRequest) (*langevinv1.ScoreResponse, error)
}

// Catalogue lists and describes the models.
type Catalogue interface {
	ListModels(context.Context, *langevinv1.ListModelsRequest) (*langevinv1.ListModelsResponse, error)
	GetModel(context.Context, *langevinv1.GetModelRequest) (*langevinv1.GetModelResponse, error)
}

// Config has the other settings of a Service.
type Config struct {
	Version         string      // of the program
	MaxMessageBytes int         // of an answer
	Ready           func() bool // whether the server can serve models
	Lifecycle       Lifecycle   // nil: this listener does not load models
}

// Service answers inference.GRPCInferenceService. It is safe for concurrent use.
type Service struct {
	inference.UnimplementedGRPCInferenceServiceServer
	sampler Sampler
	models  Catalogue
	config  Config
	counts  counts
}

// New returns the service over a sampler and its models.
func New(sampler Sampler, models Catalogue, config Config) *Service {
	return &Service{sampler: sampler, models: models, config: config}
}

var _ inference.GRPCInferenceServiceServer = (*Service)(nil)

// target is a model of the protocol.
type target struct {
	*langevinv1.Model
	score bool // the network
}

func (t target) name() string {
	if t.score {
		return t.GetName() + scoreSuffix
	}
	return t.GetName()
}

func (t target) version() string { return strconv.Itoa(int(t.GetVersion())) }

func (t target) ready() bool { return t.GetState() == langevinv1.ModelState_MODEL_STATE_READY }

// dim returns the number of elements of one sample.
func (t target) dim() int {
	dim := 1
	for _, n := range t.GetShape() {
		dim *= int(n)
	}
	return dim
}

// pictures reports whether samples can be drawn as PNG.
func (t target) pictures() bool {
	shape := t.GetShape()
	return len(shape) == 3 && (shape[0] == 1 || shape[0] == 3)
}

// find returns the model with the given name. A model that is itself called NAME.score hides the network of NAME.
func (s *Service) find(ctx context.Context, name, version string) (target, error) {
	if name == "" {
		return target{}, invalid("model_name", `""`, "a model's name: RepositoryIndex lists them")
	}
	number := int64(0)
	if version != "" {
		var err error
		if number, err = strconv.ParseInt(version, 10, 32); err != nil || number < 1 {
			return target{}, invalid("model_version", quoted(version),
				fmt.Sprintf("a whole number from 1 to %d, or nothing for the newest", models.MaxVersion))
		}
	}
	found, err := s.models.GetModel(ctx, &langevinv1.GetModelRequest{Name: name, Version: int32(number)})
	if network, is := strings.CutSuffix(name, scoreSuffix); is && errors.Is(err, models.ErrNotFound) {
		found, err := s.models.GetModel(ctx, &langevinv1.GetModelRequest{Name: network, Version: int32(number)})
		return target{found.GetModel(), true}, err
	}
	return target{found.GetModel(), false}, err
}

// all returns every model of the protocol.
func (s *Service) all(ctx context.Context) ([]target, error) {
	var all []target
	for token := ""; ; {
		page, err := s.models.ListModels(ctx, &langevinv1.ListModelsRequest{PageToken: token})
		if err != nil {
			return nil, err
		}
		for _, m := range page.GetModels() {
			all = append(all, target{m, false}, target{m, true})
		}
		if token = page.GetNextPageToken(); token == "" {
			return all, nil
		}
	}
}

// invalid returns the error for a field of a request, or for a parameter in it.
func invalid(field string, given any, want string) error {
	return &sampling.FieldError{Field: field, Given: given, Want: want}
}

func parameter(name string) string { return "parameters." + name }

// quoted returns any text in a form that fits into one line.
func quoted(text string) string { return fmt.Sprintf("%.80q", text) }

// withRows returns the shape of the given number of samples; -1 for any number.
func withRows(rows int64, shape []int64) []int64 { return slices.Concat([]int64{rows}, shape) }
