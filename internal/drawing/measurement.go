package drawing

import (
	"context"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/datafile"
	"github.com/langevin-ml/langevin/internal/phrase"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
	"github.com/langevin-ml/langevin/sampling/linear"
	"github.com/langevin-ml/langevin/training/data"
)

// OperatorHelp describes the words of [ParseOperator].
const OperatorHelp = "pool:N, mask:FILE, blur:STD or blur:FILE, grey, matrix:FILE, fourier:FILE or hadamard:FILE"

// ParseOperator reads a word such as pool:4, and the file that it names. It writes to warn what the file was taken for.
func ParseOperator(text string, warn io.Writer) (client.Operator, error) {
	kind, argument, _ := strings.Cut(text, ":")
	wrong := cli.Usagef("--measure is %s: want %s", phrase.Quoted(text), OperatorHelp)
	if (kind == "grey") != (argument == "") {
		return nil, wrong
	}
	switch kind {
	case "grey":
		return client.Grey{}, nil
	case "pool":
		factor, err := strconv.Atoi(argument)
		if err != nil || factor < 1 {
			return nil, wrong
		}
		return client.Pool(factor), nil
	case "blur":
		if std, ok := blurStd(text); ok {
			return gaussianBlur(std)
		}
	case "mask", "matrix", "fourier", "hadamard":
	default:
		return nil, wrong
	}
	return operatorFromFile(kind, argument, warn)
}

func operatorFromFile(kind, path string, warn io.Writer) (client.Operator, error) {
	if kind == "mask" && IsPicture(path) {
		return maskFromPicture(path)
	}
	if kind == "fourier" || kind == "hadamard" {
		warn = io.Discard // a line of numbers is no doubtful header here
	}
	a, err := datafile.ReadArray(path, warn)
	if err != nil {
		return nil, fmt.Errorf("--measure %s: %w", kind, err)
	}
	switch kind {
	case "mask":
		seen, err := marks(a)
		if err != nil {
			return nil, fmt.Errorf("--measure mask:%s: %w", path, err)
		}
		return client.Mask(seen), nil
	case "blur":
		if len(a.Shape) != 2 {
			return nil, fmt.Errorf("--measure blur:%s: it has shape %v: want a kernel of [rows, columns]", path,
				a.Shape)
		}
		return client.Blur{Kernel: a.Values, Rows: a.Shape[0]}, nil
	case "matrix":
		return client.Matrix(a.Values), nil
	}
	coefficients := make([]int, len(a.Values))
	for i, v := range a.Values {
		if coefficients[i] = int(v); v < 0 || float32(coefficients[i]) != v {
			return nil, fmt.Errorf("--measure %s:%s: element %d is %g: want whole numbers from 0 on", kind, path, i, v)
		}
	}
	if kind == "fourier" {
		return client.Fourier(coefficients), nil
	}
	return client.Hadamard(coefficients), nil
}

// maskFromPicture returns the mask that a picture draws: what is white is measured, and what is black is not.
func maskFromPicture(path string) (client.Operator, error) {
	levels, shape, err := ReadPicture(path)
	if err != nil {
		return nil, fmt.Errorf("--measure mask: %w", err)
	}
	levels, ok := Channels(levels, shape[0], 1)
	if !ok {
		return nil, fmt.Errorf("--measure mask:%s: it has colours: want black and white", path)
	}
	seen := make(client.Mask, len(levels))
	for i, v := range levels {
		seen[i] = v >= 0.5
	}
	return seen, nil
}

// reaches is the number of standard deviations at which the kernel of a Gaussian is cut off.
const reaches = 3

// gaussianBlur returns the blur by a Gaussian with a standard deviation in pixels.
func gaussianBlur(std float64) (client.Operator, error) {
	const widest = 20
	if !(std > 0 && std <= widest) {
		return nil, cli.Usagef("--measure is blur:%g: want a standard deviation above 0 and at most %d", std, widest)
	}
	reach := int(math.Ceil(reaches * std))
	side := 2*reach + 1
	b := client.Blur{Kernel: make([]float32, side*side), Rows: side}
	total := 0.0
	for i := range b.Kernel {
		down, across := float64(i/side-reach), float64(i%side-reach)
		w := math.Exp(-(down*down + across*across) / (2 * std * std))
		b.Kernel[i], total = float32(w), total+w
	}
	for i := range b.Kernel {
		b.Kernel[i] /= float32(total)
	}
	return b, nil
}

// blurStd returns the standard deviation of an operator's word, if it is a blur by one.
func blurStd(text string) (std float64, ok bool) {
	kind, argument, _ := strings.Cut(text, ":")
	std, err := strconv.ParseFloat(argument, 64)
	return std, kind == "blur" && err == nil
}

// CheckBlur returns an error if an operator's word is a blur by a standard deviation, and its kernel is larger than
// samples of the given shape.
func CheckBlur(text string, of linear.Shape) error {
	std, ok := blurStd(text)
	fits := (min(of.Height, of.Width) - 1) / 2
	if !ok || int(math.Ceil(reaches*std)) <= fits {
		return nil
	}
	if of.Height == 1 {
		return cli.Usagef("--measure is blur:%g: want pictures, or blur:FILE with a kernel of one row for %s", std,
			phrase.Plural(of.Width, "number"))
	}
	return cli.Usagef("--measure is blur:%g: want a standard deviation of at most %.2f for %d × %d pixels", std,
		math.Floor(100*float64(fits)/reaches)/100, of.Height, of.Width)
}

// MeasurementFlags say what was measured of the samples.
type MeasurementFlags struct {
	operator, observed string
	noise              cli.FiniteValue
	method             cli.WordValue[methodWord]
	particles          cli.CountValue
	spread             cli.PositiveValue
	refuse             bool
	picture            []int // shape of the picture with the measured values; nil without one
	Flags              cli.FlagGroup
}

type methodWord string

// Group makes the flags.
func (m *MeasurementFlags) Group() cli.FlagGroup {
	m.method.Words = []methodWord{"particles", "ddrm", "snips", "langevin"}
	m.particles.Least = 2
	g := cli.NewFlagGroup("Measurements")
	g.Flags.StringVar(&m.operator, "measure", "", "draw samples that agree with what `OPERATOR` measured of them: "+
		OperatorHelp)
	g.Flags.StringVar(&m.observed, "observed", "", "`FILE` with the measured values (.npy, .npz, .csv, or a picture: "+
		"its levels go from the least to the largest value of the model's range)")
	g.Flags.Var(&m.noise, noiseFlag, "standard deviation of the noise of each measured value (default 0)")
	g.Flags.Var(&m.method, "posterior", "how to draw: particles, ddrm, snips or langevin (default particles for at "+
		"most 16 values, else ddrm)")
	g.Flags.Var(&m.particles, "particles", "particles of a chain; means --posterior particles (default 64)")
	g.Flags.Var(&m.spread, "spread", "standard deviation of an element of the data, for particles (default a quarter "+
		"of the model's range)")
	g.Flags.BoolVar(&m.refuse, "refuse-collapsed", false, "fail if the weights of a chain's particles collapse, "+
		"instead of a warning")
	m.Flags = g
	return g
}

// noiseFlag is a flag of samplers too. With a measurement it is the noise of the measured values.
const noiseFlag = "noise"

// ShareNoise lets --noise of the samplers take what is a measurement's noise alone, such as 0. Both flags must be made.
func (m *MeasurementFlags) ShareNoise(s *SamplerFlags) { s.value(noiseFlag).shared = true }

// Share takes --noise from the flags of samplers, and lets them mean the sampler that the method follows. It does
// nothing without a measurement.
func (m *MeasurementFlags) Share(s *SamplerFlags) error {
	if m.operator == "" {
		return nil
	}
	if s.kind.Word == "" {
		var follows proto.Message = &langevinv1.ReverseSDE{}
		if m.method.Word == "snips" || m.method.Word == "langevin" {
			follows = &langevinv1.AnnealedLangevin{}
		}
		d, _ := langevinv1.SamplerOf(follows)
		s.kind.Word = d.GetWord()
		s.why = "with --measure, --posterior particles and ddrm follow sde, and snips and langevin follow annealed"
	}
	v := s.values[noiseFlag]
	if v == nil || !v.given {
		return nil
	}
	v.given = false
	if err := m.noise.Set(v.text); err != nil {
		return cli.Usagef("--noise is %s: want a number", phrase.Quoted(v.text))
	}
	return nil
}

// Measurement returns what the flags say, or nil if they say nothing. The values of a picture are levels from 0 to 1:
// [InRange] takes them to the range of a model.
func (m *MeasurementFlags) Measurement(warn io.Writer) (*client.Measurement, error) {
	switch others := m.observed != "" || m.noise.Given != nil || m.method.Word != "" || m.particles.N > 0 ||
		m.spread > 0 || m.refuse; {
	case m.operator == "" && others:
		return nil, cli.Usagef("--observed, --noise, --posterior, --particles, --spread and --refuse-collapsed need " +
			"--measure")
	case m.operator == "":
		return nil, nil
	case m.observed == "":
		return nil, cli.Usagef("--measure needs --observed, the file with the measured values")
	case m.noise.Given != nil && *m.noise.Given < 0:
		return nil, cli.Usagef("--noise is %g: want at least 0", *m.noise.Given)
	}
	method, err := m.chosen()
	if err != nil {
		return nil, err
	}
	operator, err := ParseOperator(m.operator, warn)
	if err != nil {
		return nil, err
	}
	y := &client.Measurement{Operator: operator, Method: method, RefuseCollapsed: m.refuse}
	if m.noise.Given != nil {
		y.NoiseStd = *m.noise.Given
	}
	if m.IsPicture() {
		y.Values, m.picture, err = ReadPicture(m.observed)
		return y, err
	}
	values, err := datafile.ReadNumbers("observed", m.observed, warn)
	y.Values = values.Values
	return y, err
}

// chosen returns the method that the flags choose; nil for the server's choice.
func (m *MeasurementFlags) chosen() (client.Method, error) {
	particles := m.particles.N > 0 || m.spread > 0
	if particles && m.method.Word != "" && m.method.Word != "particles" {
		return nil, cli.Usagef("--particles and --spread are for --posterior particles, not %s", m.method.Word)
	}
	if m.refuse && m.method.Word != "" && m.method.Word != "particles" {
		return nil, cli.Usagef("--refuse-collapsed is for --posterior particles, not %s, which has no weights",
			m.method.Word)
	}
	switch {
	case particles || m.method.Word == "particles":
		p := client.Particles{Count: m.particles.N}
		if m.spread > 0 {
			p.Spread = new(float64(m.spread))
		}
		return p, nil
	case m.method.Word == "ddrm":
		return client.DDRM{}, nil
	case m.method.Word == "snips":
		return client.SNIPS{}, nil
	case m.method.Word == "langevin":
		return client.LikelihoodLangevin{}, nil
	}
	return nil, nil
}

// IsPicture reports whether the measured values come from a picture.
func (m *MeasurementFlags) IsPicture() bool { return IsPicture(m.observed) }

// fit gives the picture the channels of what the operator measures of the model's samples, see [Channels]. It refuses a
// picture of another size, and one whose rounded levels do not determine a sample.
func (m *MeasurementFlags) fit(y *client.Measurement, model client.Model) error {
	shape, ok := linear.ShapeOf(model.Shape)
	if !ok {
		return nil
	}
	op, measured, err := BuildOperator(y.Operator, shape)
	if err != nil || len(measured) != 3 {
		return nil // the server says what it wants, or the result is no picture
	}
	levels, ok := Channels(y.Values, m.picture[0], measured[0])
	if !ok {
		return fmt.Errorf("--observed %s has colours: want grey, as what --measure %s makes of samples of %s",
			m.observed, m.operator, model.Name)
	}
	if !slices.Equal(m.picture[1:], measured[1:]) {
		return fmt.Errorf("--observed %s has %d × %d pixels: want %d × %d, as what --measure %s makes of samples of %s",
			m.observed, m.picture[1], m.picture[2], measured[1], measured[2], m.operator, model.Name)
	}
	y.Values = levels
	return m.checkRounding(op, y, model)
}

// checkRounding refuses a picture without noise if the operator hides so much of a sample that the rounding of the
// picture's levels decides what is found of it.
func (m *MeasurementFlags) checkRounding(op *linear.Operator, y *client.Measurement, model client.Model) error {
	const most = 0.05 // of the range, in one direction
	rounding := levelStep(y.Values) / math.Sqrt(12)
	if y.NoiseStd > 0 || rounding/slices.Min(op.Singular()) <= most {
		return nil
	}
	return cli.Usagef("--noise is 0: --measure %s hides so much that the rounding of the levels of %s would decide: "+
		"want at least %.2g", m.operator, m.observed, rounding*(model.High-model.Low))
}

// levelStep returns the difference between two neighbours of the levels that a picture can have.
func levelStep(levels []float32) float64 {
	for _, v := range levels {
		if v := 255 * float64(v); math.Abs(v-math.Round(v)) > 0.001 {
			return 1. / math.MaxUint16
		}
	}
	return 1. / 255
}

// checkBlur refuses a standard deviation whose kernel is larger than the model's samples.
func (m *MeasurementFlags) checkBlur(model client.Model) error {
	if shape, ok := linear.ShapeOf(model.Shape); ok {
		return CheckBlur(m.operator, shape)
	}
	return nil
}

// InRange takes the values of a picture to the range and the channels of the model, if there is a picture. It refuses a
// blur that is too wide for the model.
func (m *MeasurementFlags) InRange(ctx context.Context, c *client.Client, r *client.SampleRequest) error {
	_, blur := blurStd(m.operator)
	if r.Measurement == nil || !m.IsPicture() && !blur {
		return nil
	}
	model, err := c.Model(ctx, r.Model, r.Version)
	if err != nil {
		return err
	}
	if err := m.checkBlur(model); err != nil || !m.IsPicture() {
		return err
	}
	y := *r.Measurement
	if err := m.fit(&y, model); err != nil {
		return err
	}
	y.Values = slices.Clone(y.Values)
	for i, v := range y.Values {
		y.Values[i] = float32(model.Low + float64(v)*(model.High-model.Low))
	}
	r.Measurement = &y
	return nil
}

// IsPicture reports whether a file's name ends like a picture's.
func IsPicture(path string) bool { return data.IsPictureName(path) }

// ReadPicture returns the levels of a picture in any format of [data.ReadPicture], from 0 to 1, and its shape: [1,
// height, width] for a grey picture and [3, height, width] for another. A picture with transparent pixels is an error:
// what is behind them was not measured.
func ReadPicture(path string) (levels []float32, shape []int, err error) {
	picture, err := data.ReadPicture(path)
	if err != nil {
		return nil, nil, err
	}
	size, channels := picture.Bounds().Size(), 3
	switch picture.ColorModel() {
	case color.GrayModel, color.Gray16Model:
		channels = 1
	}
	for c := range channels {
		for y := range size.Y {
			for x := range size.X {
				r, g, b, opacity := picture.At(picture.Bounds().Min.X+x, picture.Bounds().Min.Y+y).RGBA()
				if opacity != math.MaxUint16 {
					return nil, nil, fmt.Errorf("read %s: pixel %d, %d is transparent: want a picture that is saved "+
						"over its background", path, x, y)
				}
				levels = append(levels, float32([]uint32{r, g, b}[c])/math.MaxUint16)
			}
		}
	}
	return levels, []int{channels, size.Y, size.X}, nil
}

// Channels returns levels of a picture that has one number of channels in another: a grey picture in three equal ones,
// and one of three equal ones as grey. It reports whether that can be done.
func Channels(levels []float32, has, want int) (_ []float32, ok bool) {
	area := len(levels) / has
	switch {
	case has == want:
		return levels, true
	case has == 1 && want == 3:
		return slices.Repeat(levels, 3), true
	case has != 3 || want != 1:
		return nil, false
	}
	grey := levels[:area]
	return grey, slices.Equal(grey, levels[area:2*area]) && slices.Equal(grey, levels[2*area:])
}

// WritePicture writes levels from 0 to 1 of the given shape, [1, height, width] or [3, height, width], as a .png of 16
// bits. Levels beyond are cut off.
func WritePicture(w io.Writer, levels []float32, shape []int) error {
	area, width := shape[1]*shape[2], shape[2]
	level := func(v float32) uint16 { return uint16(math.Round(min(max(float64(v), 0), 1) * math.MaxUint16)) }
	if shape[0] == 1 {
		picture := image.NewGray16(image.Rect(0, 0, width, shape[1]))
		for i, v := range levels {
			picture.SetGray16(i%width, i/width, color.Gray16{Y: level(v)})
		}
		return png.Encode(w, picture)
	}
	picture := image.NewNRGBA64(image.Rect(0, 0, width, shape[1]))
	for i := range area {
		picture.SetNRGBA64(i%width, i/width, color.NRGBA64{
			R: level(levels[i]), G: level(levels[area+i]), B: level(levels[2*area+i]), A: math.MaxUint16,
		})
	}
	return png.Encode(w, picture)
}

// MeasurementReport is the JSON form of a measurement: that of the API.
type MeasurementReport struct{ *client.Measurement }

// MarshalJSON implements [json.Marshaler].
func (m MeasurementReport) MarshalJSON() ([]byte, error) {
	w, err := client.MeasurementMessage(m.Measurement)
	if err != nil {
		return nil, err
	}
	return protojson.MarshalOptions{UseProtoNames: true}.Marshal(w)
}

// UnmarshalJSON implements [json.Unmarshaler].
func (m *MeasurementReport) UnmarshalJSON(text []byte) error {
	w := &langevinv1.Measurement{}
	if err := protojson.Unmarshal(text, w); err != nil {
		return fmt.Errorf("measurement: %w", err)
	}
	var err error
	if m.Measurement, err = client.MeasurementOf(w); err == nil {
		_, err = client.MeasurementMessage(m.Measurement)
	}
	return err
}

// String returns a measurement in words: "given 49 measured values, by particles".
func (m MeasurementReport) String() string {
	method := ""
	switch by := m.Method.(type) {
	case client.Particles:
		method = fmt.Sprintf(", by %s", phrase.Plural(by.Count, "particle"))
	case client.DDRM:
		method = ", by DDRM"
	case client.SNIPS:
		method = ", by SNIPS"
	case client.LikelihoodLangevin:
		method = ", by Langevin with the likelihood"
	}
	return fmt.Sprintf("given %s%s", phrase.Plural(len(m.Values), "measured value"), method)
}

// TrustText says in words how far the particles of a result can be believed: "effective size 3.1 at least and 9.4 on
// average, log evidence -2.5". It is empty without particles.
func TrustText(res *client.Result) string {
	n := len(res.EffectiveSizes)
	if n == 0 {
		return ""
	}
	total := 0.0
	for _, size := range res.EffectiveSizes {
		total += size
	}
	return fmt.Sprintf("effective size %.1f at least and %.1f on average, log evidence %.4g",
		slices.Min(res.EffectiveSizes), total/float64(n), res.LogEvidence)
}

// CollapsedText warns of chains whose weights collapsed.
func CollapsedText(res *client.Result) string {
	return fmt.Sprintf("the weights of %s collapsed (effective size %.2f): together the samples do not represent the "+
		"posterior; try more --particles, fewer values or more noise", phrase.Plural(res.Collapsed, "chain"),
		slices.Min(res.EffectiveSizes))
}
