package rpc_test

import (
	"bytes"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// TestEveryKind draws with every kind of sampler of the API, all of its settings left out. The started event has the
// same kind with its defaults, and asks for the same samples when it is sent back in two parts.
func TestEveryKind(t *testing.T) {
	const n = 6
	s := start(t)
	for _, d := range langevinv1.Samplers() {
		t.Run(d.Field, func(t *testing.T) {
			started, whole := s.rows(t, d.New(), 0, n)
			sampler := langevinv1.SamplerIn(started)
			if sampler == nil || sampler.ProtoReflect().Descriptor() != d.New().ProtoReflect().Descriptor() {
				t.Fatalf("started has the sampler %v, want one of kind %s", sampler, d.Field)
			}
			for _, setting := range d.Settings {
				filled := setting.GetDefault() != "" && setting.GetExcludes() == "" && met(setting, sampler)
				if filled && !setting.Has(sampler) {
					t.Errorf("started lacks %s, whose default is %s", setting.Field(), setting.GetDefault())
				}
			}
			_, first := s.rows(t, sampler, 0, n/2)
			_, second := s.rows(t, sampler, n/2, n/2)
			if !bytes.Equal(append(first, second...), whole) {
				t.Error("the settings of the started event give other samples")
			}
		})
	}
}

// rows draws chains with a sampler and returns the bytes of the samples.
func (s *service) rows(t *testing.T, sampler proto.Message, first uint64, n int64) (*langevinv1.Started, []byte) {
	t.Helper()
	req := &langevinv1.SampleRequest{N: &n, Seed: proto.Uint64(5), FirstChain: first}
	if !langevinv1.SetSampler(req, sampler) {
		t.Fatalf("a request has no field for %T", sampler)
	}
	got, err := s.sample(t, t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	var data []byte
	for _, c := range got.chunks {
		data = append(data, c.GetTensor().GetData()...)
	}
	return got.started, data
}

// met reports whether a setting has an effect in a sampler.
func met(setting langevinv1.SettingDescription, sampler proto.Message) bool {
	_, unmet := setting.Unmet(sampler)
	return unmet == nil
}

// TestSettingsThatExclude: a request with two settings of which the API says that one excludes the other is refused,
// and the answer names both. No setting is dropped without a word.
func TestSettingsThatExclude(t *testing.T) {
	s := start(t)
	pairs := 0
	for _, d := range langevinv1.Samplers() {
		for _, setting := range d.Settings {
			other, found := d.Setting(setting.GetExcludes())
			if !found {
				continue
			}
			pairs++
			sampler := d.New()
			for _, given := range []langevinv1.SettingDescription{setting, other} {
				if err := given.SetText(sampler, map[langevinv1.SettingType]string{
					langevinv1.SettingCount: "3", langevinv1.SettingNumber: "2", langevinv1.SettingNumbers: "2,1",
				}[given.Type()]); err != nil {
					t.Fatal(err)
				}
			}
			req := &langevinv1.SampleRequest{}
			langevinv1.SetSampler(req, sampler)
			_, err := s.sample(t, t.Context(), req)
			want := d.Field + "." + setting.Field() + " is set together with " + d.Field + "." + other.Field() +
				": want either of the two"
			if got := status.Convert(err); got.Code() != codes.InvalidArgument || got.Message() != want {
				t.Errorf("%s %q, want INVALID_ARGUMENT %q", got.Code(), got.Message(), want)
			}
		}
	}
	if pairs < 7 {
		t.Errorf("the API has %d pairs of settings that exclude each other, want at least 7", pairs)
	}
}
