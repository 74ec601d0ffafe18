package rpc_test

import (
	"bytes"
	"encoding/binary"
	"math"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/models/modelstest"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// pets is a table whose network sees three numbers of N(0, 1): so heights are N(170, 10²).
func pets() models.Manifest {
	m := modelstest.Manifest("pets", 3)
	m.Format, m.Columns = models.FormatColumns, models.Columns{
		{Name: "height", Kind: models.ColumnNumber, Mean: 170, Std: 10, Low: 100, High: 240, Unit: "cm"},
		{Name: "kind", Kind: models.ColumnCategory, Words: []string{"cat", "dog"}},
		{Name: "planet", Kind: models.ColumnConstant, Values: []float64{3}},
	}
	return m
}

func floats(values ...float32) *langevinv1.Tensor { return &langevinv1.Tensor{Values: values} }

// TestTablesAreInTheUsersUnits: rows of requests and answers have a number for each column, in its unit.
func TestTablesAreInTheUsersUnits(t *testing.T) {
	s := start(t)
	m, err := s.models.GetModel(t.Context(), &langevinv1.GetModelRequest{Name: "pets"})
	if err != nil {
		t.Fatal(err)
	}
	columns := m.GetModel().GetColumns()
	if shape := m.GetModel().GetShape(); len(shape) != 1 || shape[0] != 3 || len(columns) != 3 ||
		columns[0].GetWidth() != 1 || columns[1].GetWidth() != 2 || columns[2].GetWidth() != 0 ||
		columns[0].GetUnit() != "cm" || columns[1].GetKind() != langevinv1.ColumnKind_COLUMN_KIND_CATEGORY ||
		columns[1].TextOf(1) != "dog" || columns[2].GetValues()[0] != 3 {
		t.Errorf("shape %v, columns %v", shape, columns)
	}
	const n = 2000
	all, err := s.sample(t, t.Context(), &langevinv1.SampleRequest{
		Model: "pets", N: proto.Int64(n), Seed: proto.Uint64(1), Format: langevinv1.TensorFormat_TENSOR_FORMAT_FLOATS,
		Sampler: &langevinv1.SampleRequest_ReverseSde{ReverseSde: &langevinv1.ReverseSDE{}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if all.started.GetResumable() || len(all.started.GetColumns()) != 3 {
		t.Errorf("resumable %v, %d columns", all.started.GetResumable(), len(all.started.GetColumns()))
	}
	var mean, square, dogs float64
	for _, c := range all.chunks {
		for x := c.GetTensor().GetValues(); len(x) > 0; x = x[3:] {
			mean, square, dogs = mean+float64(x[0])/n, square+float64(x[0]*x[0])/n, dogs+float64(x[1])/n
			if x[2] != 3 || x[1] != 0 && x[1] != 1 {
				t.Fatalf("row %v", x[:3])
			}
		}
	}
	std := math.Sqrt(square - mean*mean)
	if math.Abs(mean-170) > 1 || math.Abs(std-10) > 0.6 || math.Abs(dogs-0.5) > 0.05 {
		t.Errorf("heights %g ± %g, share of dogs %g: want 170 ± 10 and a half", mean, std, dogs)
	}
}

// TestTablesAreAskedInTheUsersUnits compares with the formulas of N(170, 10²) and of the codes of a category.
func TestTablesAreAskedInTheUsersUnits(t *testing.T) {
	s := start(t)
	const sigma, height = 0.5, 185
	score, err := s.sampling.Score(t.Context(), &langevinv1.ScoreRequest{
		Model: "pets", X: floats(height, 1, 3), Sigma: []float32{sigma},
		Format: langevinv1.TensorFormat_TENSOR_FORMAT_FLOATS,
	})
	if err != nil {
		t.Fatal(err)
	}
	got, want := score.GetScore().GetValues(), -1.5/(1+sigma*sigma)/10
	if len(got) != 3 || math.Abs(float64(got[0])-want) > 1e-6 || got[1] != 0 || got[2] != 0 {
		t.Errorf("score %v, want %g along the height and 0 else", got, want)
	}
	likely, err := s.sampling.LogLikelihood(t.Context(), &langevinv1.LogLikelihoodRequest{
		Model: "pets", X: floats(height, 1, 3), Exact: true,
		Flow: &langevinv1.FlowOptions{SigmaMin: proto.Float64(0.1), SigmaMax: proto.Float64(200)},
	})
	if err != nil {
		t.Fatal(err)
	}
	const v = 1 + 0.1*0.1
	normal := func(z float64) float64 { return -z*z/(2*v) - math.Log(2*math.Pi*v)/2 }
	expected := normal(1.5) - math.Log(10) + 2*normal(1) + 2*math.Log(0.1*math.Sqrt(2*math.Pi))
	if l := likely.GetLogLikelihood()[0]; math.Abs(l-expected) > 2e-3 {
		t.Errorf("log likelihood %g, want %g", l, expected)
	}
	encoded, err := s.sampling.Encode(t.Context(), &langevinv1.EncodeRequest{
		Model: "pets", X: floats(height, 1, 3, 160, 0, 3), Format: langevinv1.TensorFormat_TENSOR_FORMAT_FLOATS,
	})
	if err != nil {
		t.Fatal(err)
	}
	decoded, err := s.sampling.Decode(t.Context(), &langevinv1.DecodeRequest{
		Model: "pets", Latent: encoded.GetLatent(), Format: langevinv1.TensorFormat_TENSOR_FORMAT_FLOATS,
	})
	if err != nil {
		t.Fatal(err)
	}
	x := decoded.GetSample().GetValues()
	if shape := encoded.GetLatent().GetShape(); shape[1] != 3 || len(x) != 6 || math.Abs(float64(x[0])-height) > 0.1 ||
		x[1] != 1 || math.Abs(float64(x[3])-160) > 0.1 || x[4] != 0 {
		t.Errorf("latents of shape %v come back as %v", shape, x)
	}
}

// TestAConstantIsOneValue: another number is refused as that of no category is.
func TestAConstantIsOneValue(t *testing.T) {
	s := start(t)
	for x, want := range map[[3]float32]string{
		{170, 1, 8}: `column "planet" is 8: want "3"`, {170, 2, 3}: `column "kind" is 2: want 0 to 1`,
	} {
		_, score := s.sampling.Score(t.Context(), &langevinv1.ScoreRequest{
			Model: "pets", X: floats(x[:]...), Sigma: []float32{1},
		})
		_, likely := s.sampling.LogLikelihood(t.Context(), &langevinv1.LogLikelihoodRequest{
			Model: "pets", X: floats(x[:]...),
		})
		for _, err := range []error{score, likely} {
			if status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), want) {
				t.Errorf("error %v, want %q", err, want)
			}
		}
	}
}

// TestKnownColumns: what is known of a row stays, and is named if it is wrong.
func TestKnownColumns(t *testing.T) {
	s := start(t)
	request := func(x []float32, mask ...bool) *langevinv1.SampleRequest {
		return &langevinv1.SampleRequest{
			Model: "pets", N: proto.Int64(5), Format: langevinv1.TensorFormat_TENSOR_FORMAT_FLOATS,
			Sampler: &langevinv1.SampleRequest_AnnealedLangevin{
				AnnealedLangevin: &langevinv1.AnnealedLangevin{Denoise: proto.Bool(true)},
			},
			Condition: &langevinv1.SampleRequest_Inpainting{Inpainting: &langevinv1.Inpainting{
				Values: floats(x...), Mask: mask,
			}},
		}
	}
	nan := float32(math.NaN())
	all, err := s.sample(t, t.Context(), request([]float32{200, nan, nan}, true, false, false))
	if err != nil {
		t.Fatal(err)
	}
	for x := all.chunks[0].GetTensor().GetValues(); len(x) > 0; x = x[3:] {
		if math.Abs(float64(x[0])-200) > 1e-4 {
			t.Errorf("the known height became %g", x[0])
		}
	}
	bad := map[string]*langevinv1.SampleRequest{
		`inpainting.values: column "kind" is 7: want 0 to 1, which stand for "cat" or "dog"`: request(
			[]float32{nan, 7, 3}, false, true, false),
		"inpainting.values": request([]float32{1, 2}, true, true),
	}
	resumed := request([]float32{200, 0, 3}, true, true, true)
	resumed.Resume = &langevinv1.Resume{X: floats(1, 1, 3, 3, 3), Step: 1}
	bad["resume.x is 5 elements: want rows of 3 elements: states of pets have shape [3]"] = resumed
	denoised := request([]float32{200, 0, 3}, true, true, true)
	denoised.Preview = &langevinv1.PreviewOptions{Kind: langevinv1.PreviewKind_PREVIEW_KIND_DENOISED, ForResume: true}
	bad["preview.for_resume is true: want false with denoised estimates"] = denoised
	for want, req := range bad {
		_, err := s.sample(t, t.Context(), req)
		if status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	_, err = s.sampling.Score(t.Context(), &langevinv1.ScoreRequest{
		Model: "pets", X: floats(170, 1, 3, 170, 0.5, 3), Sigma: []float32{1},
	})
	if want := `x: row 1: column "kind" is 0.5`; status.Code(err) != codes.InvalidArgument ||
		!strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q", err, want)
	}
}

// TestTablesGoOn: a call that goes on from the states of a table has the bits of one that was not broken. They are sent
// as the network sees them only if they are asked for so.
func TestTablesGoOn(t *testing.T) {
	s := start(t)
	request := func(forResume bool) *langevinv1.SampleRequest {
		return &langevinv1.SampleRequest{
			Model: "pets", N: proto.Int64(5), Seed: proto.Uint64(7), FirstChain: 3,
			Sampler: &langevinv1.SampleRequest_Langevin{Langevin: &langevinv1.Langevin{Steps: proto.Int32(4)}},
			Condition: &langevinv1.SampleRequest_Inpainting{Inpainting: &langevinv1.Inpainting{
				Values: floats(0, 1, 0), Mask: []bool{false, true, false},
			}},
			Preview: &langevinv1.PreviewOptions{
				Cadence: &langevinv1.PreviewOptions_EverySteps{EverySteps: 1}, ForResume: forResume,
			},
		}
	}
	shown, err := s.sample(t, t.Context(), request(false))
	if err != nil {
		t.Fatal(err)
	}
	whole, err := s.sample(t, t.Context(), request(true))
	if err != nil {
		t.Fatal(err)
	}
	height := math.Float32frombits(binary.LittleEndian.Uint32(shown.previews[1].GetTensor().GetData()))
	if !whole.started.GetResumable() || !whole.previews[1].GetForResume() || shown.started.GetResumable() ||
		shown.previews[1].GetForResume() || height < 50 {
		t.Errorf("for resume: %v, %v; to be shown: %v, %v, with a height of %g", whole.started.GetResumable(),
			whole.previews[1].GetForResume(), shown.started.GetResumable(), shown.previews[1].GetForResume(), height)
	}
	for _, p := range whole.previews[:4] {
		req := request(true)
		req.Resume = &langevinv1.Resume{Digest: whole.started.GetDigest(), Step: p.GetStep(), X: p.GetTensor()}
		rest, err := s.sample(t, t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		got, want := rest.chunks[0].GetTensor().GetData(), whole.chunks[0].GetTensor().GetData()
		if !bytes.Equal(got, want) || !bytes.Equal(got, shown.chunks[0].GetTensor().GetData()) ||
			!proto.Equal(rest.previews[1], whole.previews[p.GetStep()+1]) {
			t.Errorf("from step %d: other samples or other states", p.GetStep())
		}
	}
}

// TestMeasuredColumns: columns are measured in their units. The heights of pets are N(170, 10²), so the evidence of a
// height is known, and the density of a category's code, whose numbers are N(0, 1), as well.
func TestMeasuredColumns(t *testing.T) {
	s := start(t)
	request := func(values []float32, seen ...bool) *langevinv1.SampleRequest {
		return &langevinv1.SampleRequest{
			Model: "pets", N: proto.Int64(200), Seed: proto.Uint64(1),
			Format: langevinv1.TensorFormat_TENSOR_FORMAT_FLOATS,
			Measurement: &langevinv1.Measurement{
				Operator: &langevinv1.Measurement_Mask{Mask: &langevinv1.Mask{Seen: seen}}, Values: floats(values...),
				Method: &langevinv1.Measurement_Particles{Particles: &langevinv1.Particles{Count: proto.Int32(16)}},
			},
		}
	}
	normal := func(z float64) float64 { return -z*z/2 - math.Log(2*math.Pi)/2 }
	for name, test := range map[string]struct {
		request  *langevinv1.SampleRequest
		evidence float64 // of what the network sees
		row      []float32
	}{
		"a number":   {request([]float32{185}, true, false, false), normal(1.5), []float32{185, -1, 3}},
		"a category": {request([]float32{1}, false, true, false), 2 * normal(1), []float32{-1, 1, 3}},
	} {
		all, err := s.sample(t, t.Context(), test.request)
		if err != nil {
			t.Fatal(err)
		}
		for x := all.chunks[0].GetTensor().GetValues(); len(x) > 0; x = x[3:] {
			for j, want := range test.row {
				if want >= 0 && math.Abs(float64(x[j]-want)) > 1e-3 {
					t.Fatalf("%s: row %v, want %v", name, x[:3], test.row)
				}
			}
		}
		if got := all.done.GetLogEvidence(); math.Abs(got-test.evidence) > 0.1 {
			t.Errorf("%s: log evidence %.3f, want %.3f", name, got, test.evidence)
		}
	}
	other := request([]float32{185}, true, false, false)
	other.Measurement.Operator = &langevinv1.Measurement_Matrix{Matrix: &langevinv1.Matrix{Rows: floats(1, 0, 0)}}
	for want, req := range map[string]*langevinv1.SampleRequest{
		"measurement.values is 2 elements: want 1, one":  request([]float32{1, 2}, true, false, false),
		"measurement.mask.seen is 2 entries: want 3":     request([]float32{1}, true, false),
		`measurement.values: column "kind" is 7: want 0`: request([]float32{7}, false, true, false),
		`1e+06 for column "height": want at most 1000`:   request([]float32{1e6}, true, false, false),
		"measurement is matrix: want mask":               other,
	} {
		_, err := s.sample(t, t.Context(), req)
		if status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
