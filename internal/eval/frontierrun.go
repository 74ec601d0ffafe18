package eval

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"reflect"
	"strings"
	"text/tabwriter"

	"github.com/spf13/pflag"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/drawing"
	"github.com/langevin-ml/langevin/internal/phrase"
	"github.com/langevin-ml/langevin/internal/wholefile"
	"github.com/langevin-ml/langevin/training"
	"github.com/langevin-ml/langevin/training/figure"
)

// frontierFlags has the flags of eval --frontier.
type frontierFlags struct {
	frontier bool
	seeds    cli.CountValue
	samplers []string
	out      string
}

func (f *frontierFlags) group() cli.FlagGroup {
	f.seeds = cli.NewCount(3, 1)
	g := cli.NewFlagGroup("Quality over cost")
	g.Flags.BoolVar(&f.frontier, "frontier", false,
		"measure many settings of every sampler, up to the evaluations of the model's default one or its annealed "+
			"Langevin, and draw quality over evaluations and over seconds")
	g.Flags.Var(&f.seeds, "seeds", "how many seeds to measure each setting with, from --seed (default 1) on")
	g.Flags.StringSliceVar(&f.samplers, "samplers", nil,
		"only these samplers, as default,pc,edm; langevin is measured only if it is named")
	g.Flags.StringVarP(&f.out, "out", "o", "",
		"`NAME` of the files to write, NAME.json and NAME.png (default out/MODEL-frontier); points that NAME.json has "+
			"are not measured again")
	return g
}

// check refuses flags that do not go together.
func (o *command) checkFrontier() error {
	if !o.frontier {
		for _, name := range []string{"seeds", "samplers", "out"} {
			if o.given(name) {
				return cli.Usagef("--%s needs --frontier", name)
			}
		}
		return nil
	}
	var wrong []string
	for _, g := range o.SamplerFlags.All() {
		g.Flags.VisitAll(func(f *pflag.Flag) {
			if o.given(f.Name) {
				wrong = append(wrong, "--"+f.Name)
			}
		})
	}
	for _, name := range []string{"samples", "neighbours"} {
		if o.given(name) {
			wrong = append(wrong, "--"+name)
		}
	}
	if len(wrong) > 0 {
		return cli.Usagef("--frontier chooses what to draw: leave out %s", phrase.All(wrong))
	}
	return nil
}

// survey is one run of eval --frontier.
type survey struct {
	*command
	program  *cli.Program
	client   *client.Client
	judge    judge
	request  client.SampleRequest // without sampler and seed
	path     string               // of the files, without their endings
	frontier Frontier
}

// drawFrontier measures what is not measured yet, and writes the points, the picture and a table.
func drawFrontier(
	ctx context.Context, p *cli.Program, c *client.Client, o *command, m client.Model, config training.Config,
	a asked, request client.SampleRequest,
) (err error) {
	choices, err := drawing.Choices(o.samplers)
	if err != nil {
		return cli.Usagef("--samplers: %v", err)
	}
	s := &survey{command: o, program: p, client: c, request: request, path: o.out}
	if s.path == "" {
		s.path = filepath.Join("out", m.Name+"-frontier")
	}
	started, err := s.start(ctx, nil)
	if err != nil {
		return err
	}
	most, err := s.budget(ctx, m, started.Steps)
	if err != nil {
		return err
	}
	s.frontier, err = readFrontier(s.path+".json", Frontier{
		Model: m.Name, Version: m.Version, Digest: m.Digest, Data: config.Data.String(), Classifier: o.classifier,
		Guidance: drawing.NewGuidanceReport(started.Guidance), N: request.N,
		Evaluations: most, FollowedReport: a.followed(request.GuidanceScale, false),
	})
	if err != nil {
		return err
	}
	if err := wholefile.Check(s.path + ".json"); err != nil {
		return err
	}
	if s.judge, err = newJudge(ctx, p, o, m, config, a); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.judge.close()) }()
	if choices, err = s.affordable(ctx, choices, started.Sampler); err != nil {
		return err
	}
	if err := s.measure(ctx, choices); err != nil {
		return s.interrupted(err)
	}
	if o.json {
		return cli.WriteJSON(p.Stdout, s.frontier)
	}
	return s.print()
}

// fewEvaluations is the least budget of a consistency model, which refuses annealed Langevin dynamics.
const fewEvaluations = 8

// budget returns the most evaluations that a point may take: those of the model's default sampler or of its annealed
// Langevin dynamics, whichever takes more.
func (s *survey) budget(ctx context.Context, m client.Model, byDefault int) (int, error) {
	if jumps(m) {
		return max(byDefault, fewEvaluations), nil
	}
	annealed, err := s.start(ctx, client.AnnealedLangevin{})
	return max(byDefault, annealed.Steps), err
}

// jumps reports whether a model is a consistency model, which has no score.
func jumps(m client.Model) bool {
	_, is := m.Sampler.(client.Consistency)
	return is
}

// start asks what a request with a sampler would draw, and draws nothing.
func (s *survey) start(ctx context.Context, sampler client.Sampler) (client.Started, error) {
	request := s.request
	request.Sampler, request.N = sampler, 1
	if each, ok := request.Given.(client.Each); ok {
		request.Given = each[:1]
	}
	for event, err := range s.client.Stream(ctx, request).Events() {
		if err != nil {
			return client.Started{}, err
		}
		if started, ok := event.(client.Started); ok {
			return started, nil
		}
	}
	return client.Started{}, errors.New("the server does not say what it draws")
}

// affordable returns the choices that the frontier has room for, usual, the model's default sampler, only as such. It
// says which settings the server refuses for this model.
func (s *survey) affordable(
	ctx context.Context, choices []drawing.Choice, usual client.Sampler,
) ([]drawing.Choice, error) {
	var all []drawing.Choice
	for _, choice := range choices {
		started, err := s.start(ctx, choice.Sampler)
		switch {
		case errors.Is(err, client.ErrInvalid):
			s.leaveOut(choice, err)
		case err != nil:
			return nil, err
		case choice.Sampler != nil && reflect.DeepEqual(started.Sampler, usual):
		case started.Steps <= s.frontier.Evaluations:
			all = append(all, choice)
		}
	}
	return all, nil
}

func (s *survey) leaveOut(c drawing.Choice, err error) {
	s.tell("%s is left out: %s", title(c), phrase.OneLine(err))
}

func title(c drawing.Choice) string { return strings.TrimSuffix(c.Curve+", "+c.Setting, ", ") }

func (s *survey) tell(format string, args ...any) {
	fmt.Fprintf(s.program.Stderr, "langevin: "+format+"\n", args...)
}

// measure measures all choices with the first seed, then with the next, so that an early end leaves whole curves. It
// writes the points after each of them, and the picture after each seed.
func (s *survey) measure(ctx context.Context, choices []drawing.Choice) error {
	all := s.allSeeds()
	for k, seed := range all {
		for i, choice := range choices {
			if s.frontier.has(choice, seed) {
				continue
			}
			err := s.measureOne(ctx, choice, seed)
			if errors.Is(err, client.ErrDiverged) {
				s.leaveOut(choice, err)
				continue
			}
			if err != nil {
				return fmt.Errorf("%s: %w", title(choice), err)
			}
			last := s.frontier.Points[s.frontier.find(choice)]
			s.tell("seed %d, %d of %d: %s: %s", seed, i+1, len(choices), title(choice), s.describe(last.Runs))
		}
		if err := s.write(all[:k+1]); err != nil {
			return err
		}
	}
	return nil
}

// allSeeds returns the seeds that the command line asks for.
func (s *survey) allSeeds() []uint64 {
	first := uint64(1)
	if s.seed.Seed != nil {
		first = *s.seed.Seed
	}
	all := make([]uint64, s.seeds.N)
	for k := range all {
		all[k] = first + uint64(k)
	}
	return all
}

// common returns the points that were measured with all of some seeds.
func (s *survey) common(seeds []uint64) (Frontier, int) {
	return s.frontier.of(seeds, s.judge.shown()[0].name)
}

func (s *survey) measureOne(ctx context.Context, choice drawing.Choice, seed uint64) error {
	request := s.request
	request.Sampler, request.Seed = choice.Sampler, &seed
	res, err := drawing.Draw(s.program, s.client.Stream(ctx, request), title(choice))
	if err != nil {
		return err
	}
	run := Run{Seed: seed, NFE: res.NFE, Seconds: res.Elapsed.Seconds()}
	if run.quality, err = s.judge.measure(ctx, res.Batch); err != nil {
		return err
	}
	s.frontier.add(choice, res.Sampler, run, s.judge.shown()[0].name)
	return s.frontier.write(s.path + ".json")
}

// describe returns the newest run in words.
func (s *survey) describe(runs []Run) string {
	r := runs[len(runs)-1]
	text := fmt.Sprintf("%.4g evaluations, %.3g s", float64(r.NFE)/float64(s.frontier.N),
		r.Seconds/float64(s.frontier.N))
	for _, shown := range s.judge.shown() {
		for _, m := range r.Metrics {
			if m.Name == shown.name {
				text += fmt.Sprintf(", %s %s", m.Name, measured(m.Value))
			}
		}
	}
	return text
}

// write writes the picture of the points that were measured with all of some seeds.
func (s *survey) write(seeds []uint64) error {
	some, _ := s.common(seeds)
	if len(some.Points) == 0 {
		return errors.New("no setting could be measured")
	}
	picture := some.picture(s.judge.shown())
	return wholefile.Write(s.path+".png", picture.PNG)
}

// interrupted adds to an error that ended the measuring what is left of it.
func (s *survey) interrupted(err error) error {
	if len(s.frontier.Points) == 0 {
		return err
	}
	left := fmt.Sprintf("%s has %s; the same command goes on from there", s.path+".json",
		phrase.Plural(len(s.frontier.Points), "point"))
	if errors.Is(err, context.Canceled) {
		return cli.Interrupted(left, err)
	}
	return fmt.Errorf("%w (%s)", err, left)
}

// picture returns quality over evaluations and over seconds. Evaluations do not depend on the machine, seconds do.
func (f Frontier) picture(shown []shownMeasure) figure.Tradeoff {
	t := figure.Tradeoff{
		Title: f.Model + ": what evaluations and seconds buy",
		Note:  fmt.Sprintf("%s a seed; bars: one standard deviation over seeds", phrase.Plural(f.N, "sample")),
		Costs: []figure.Axis{{Name: "evaluations per sample", Log: true}, {Name: "seconds per sample", Log: true}},
	}
	for _, m := range shown {
		t.Measures = append(t.Measures, figure.Axis{Name: m.name, Log: m.log,
			Expected: f.Points[0].Measures[m.name].Expected})
	}
	for _, points := range f.curves() {
		curve := figure.TradeoffCurve{Name: points[0].Curve}
		for _, p := range points {
			drawn := figure.TradeoffPoint{Costs: []float64{p.Evaluations, p.Seconds.Mean}}
			for _, m := range shown {
				drawn.Measures = append(drawn.Measures, figure.Bar{Value: p.Measures[m.name].Mean,
					Error: p.Measures[m.name].Deviation})
			}
			curve.Points = append(curve.Points, drawn)
		}
		t.Curves = append(t.Curves, curve)
	}
	return t
}

// print writes the points that were measured with all seeds of the command line as a table for people.
func (s *survey) print() error {
	seeds := s.allSeeds()
	some, missing := s.common(seeds)
	if missing > 0 {
		s.tell("%s of %s lack a seed of this command and are not shown", phrase.Plural(missing, "setting"),
			s.path+".json")
	}
	fmt.Fprintf(s.program.Stdout, "%s: %s a seed, %s from %d on, against %s\n\n", s.program.Bold(s.frontier.Model),
		phrase.Plural(s.frontier.N, "sample"), phrase.Plural(len(seeds), "seed"), seeds[0], s.frontier.Data)
	t := tabwriter.NewWriter(s.program.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprint(t, "  \tSAMPLER\tEVALUATIONS\tSECONDS")
	for _, m := range s.judge.shown() {
		fmt.Fprint(t, "\t"+strings.ToUpper(m.name))
	}
	fmt.Fprintln(t)
	for _, curve := range some.curves() {
		for _, p := range curve {
			s.printPoint(t, p)
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	spread := ""
	if s.seeds.N > 1 {
		spread = "; ± one standard deviation over seeds"
	}
	fmt.Fprintf(s.program.Stdout, "\n* no other has a better %s with as few evaluations%s\n%s and %s\n",
		s.judge.shown()[0].name, spread, s.path+".json", s.path+".png")
	return nil
}

func (s *survey) printPoint(w io.Writer, p Point) {
	mark := " "
	if p.Best {
		mark = "*"
	}
	fmt.Fprintf(w, "%s\t%s\t%.4g\t%.2g", mark, title(drawing.Choice{Curve: p.Curve, Setting: p.Setting}), p.Evaluations,
		p.Seconds.Mean)
	for _, m := range s.judge.shown() {
		v := p.Measures[m.name]
		fmt.Fprintf(w, "\t%.3f", v.Mean)
		if len(p.Runs) > 1 {
			fmt.Fprintf(w, " ± %.3f", v.Deviation)
		}
	}
	fmt.Fprintln(w)
}
