package main

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/langevin-ml/langevin/internal/about"
	"github.com/langevin-ml/langevin/internal/bench"
	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/compare"
	"github.com/langevin-ml/langevin/internal/demo"
	"github.com/langevin-ml/langevin/internal/detector"
	"github.com/langevin-ml/langevin/internal/doctor"
	evalcommands "github.com/langevin-ml/langevin/internal/eval"
	"github.com/langevin-ml/langevin/internal/impute"
	"github.com/langevin-ml/langevin/internal/installer"
	"github.com/langevin-ml/langevin/internal/join"
	"github.com/langevin-ml/langevin/internal/latents"
	"github.com/langevin-ml/langevin/internal/measure"
	modelcommands "github.com/langevin-ml/langevin/internal/models"
	"github.com/langevin-ml/langevin/internal/reproduce"
	"github.com/langevin-ml/langevin/internal/sample"
	"github.com/langevin-ml/langevin/internal/serve"
	"github.com/langevin-ml/langevin/internal/token"
	"github.com/langevin-ml/langevin/internal/train"
	"github.com/langevin-ml/langevin/server"
)

// root returns the command langevin, with all commands below it.
func root(p *cli.Program) *cobra.Command {
	root := &cobra.Command{
		Use:   "langevin",
		Short: "Train score models, serve them, draw samples by annealed Langevin dynamics",
		Long: `Langevin trains noise-conditional score networks, serves them over gRPC and draws
samples from them by annealed Langevin dynamics.

Exit codes: 0 done, 1 failed, 2 the command line or a setting is wrong (or compare
cannot read a file), 3 detect raised an alarm, 130 interrupted.

` + environmentHelp(),
		Example: `  langevin demo                                  see it work: serves, samples, draws out/ring.gif
  langevin serve                                 serve the built-in models on localhost:50051
  langevin sample ring -n 2000 --out ring.png    draw 2000 points from that server
  langevin sample ring -n 2000 --local           the same points without a server, as CSV when piped`,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	detect := latents.DetectCommand(p)
	detect.AddCommand(detector.FitCommand(p))
	root.AddCommand(serve.Command(p), sample.Command(p), modelcommands.Command(p),
		train.Command(p, laterServer(p)),
		evalcommands.Command(p), reproduce.Command(p), demo.Command(p), train.ScheduleCommand(p),
		latents.EncodeCommand(p), latents.DecodeCommand(p), latents.LikelihoodCommand(p), latents.ScoreCommand(p),
		detect,
		bench.Command(p), impute.Command(p), join.Command(p), measure.Command(p), compare.Command(p), token.Command(p),
		doctor.Command(p), installer.Command(p), about.ManCommand(p), about.VersionCommand(p))
	sortCommands(root)
	about.AddCompletion(p, root)
	return root
}

// laterServer returns what the command train serves a new model with.
func laterServer(p *cli.Program) train.Serving {
	prepare := serve.Later(p)
	return func(address, library string) (train.Serve, error) {
		start, err := prepare(address, library)
		return start, err
	}
}

// environmentHelp returns the part of the help that lists environment variables.
func environmentHelp() string {
	var text strings.Builder
	text.WriteString("Environment:\n")
	t := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	for _, v := range server.Variables() {
		if v.Setting == "" {
			fmt.Fprintf(t, "  %s\t%s\n", v.Name, v.Help)
		}
	}
	t.Flush() // to memory, which never fails
	text.WriteString("and one for every setting of a server: see langevin serve --help.")
	return text.String()
}

// sortCommands groups the commands in the help of root. A command without a group comes last.
func sortCommands(root *cobra.Command) {
	for _, group := range []struct {
		title    string
		commands []string
	}{
		{"Draw", []string{"demo", "sample", "score", "encode", "decode", "likelihood", "detect", "measure", "eval",
			"reproduce", "impute", "join", "compare"}},
		{"Serve", []string{"serve", "models", "token", "doctor", "bench"}},
		{"Train", []string{"train", "schedule"}},
	} {
		root.AddGroup(&cobra.Group{ID: group.title, Title: group.title + ":"})
		for _, c := range root.Commands() {
			if slices.Contains(group.commands, c.Name()) {
				c.GroupID = group.title
			}
		}
	}
}
