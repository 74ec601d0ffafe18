package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/langevin-ml/langevin/client"
)

// What the process returns.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2 // the command line is wrong
	exitInterrupted = 130
)

// program is one run of langevin: where it writes, and what it knows of its surroundings.
type program struct {
	stdout, stderr           io.Writer
	terminalOut, terminalErr bool // whether a person reads them
	color                    bool // of stdout
	connect                  []client.Option
	running                  bool // the command line is right and its command has begun
}

// run is the program: it returns the exit code, and has told stderr in one line why it is not 0.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	p := &program{stdout: stdout, stderr: stderr, terminalOut: isTerminal(stdout), terminalErr: isTerminal(stderr)}
	p.color = p.terminalOut && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	return p.run(ctx, args)
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

func (p *program) run(ctx context.Context, args []string) int {
	root := p.root()
	root.SetArgs(args)
	root.SetOut(p.stdout)
	root.SetErr(p.stderr)
	command, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		fmt.Fprintln(p.stderr, "langevin: interrupted"+whatIsLeft(err))
		return exitInterrupted
	}
	if usage := (*usageError)(nil); errors.As(err, &usage) || !p.running {
		fmt.Fprintf(p.stderr, "langevin: %s (see %s --help)\n", oneLine(err), command.CommandPath())
		return exitUsage
	}
	fmt.Fprintf(p.stderr, "langevin: %s\n", oneLine(err))
	return exitFailed
}

func (p *program) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "langevin",
		Short: "Train score models, serve them, draw samples by annealed Langevin dynamics",
		Long: `Langevin trains noise-conditional score networks, serves them over gRPC and draws
samples from them by annealed Langevin dynamics.

Exit codes: 0 done, 1 failed, 2 the command line is wrong, 130 interrupted.

` + environmentHelp(),
		Example: `  langevin demo                                  see it work: serves, samples, draws out/ring.gif
  langevin serve                                 serve the built-in models on localhost:50051
  langevin sample ring -n 2000 --out ring.png    draw 2000 points from that server
  langevin sample ring -n 2000 --local           the same points without a server, as CSV when piped`,
		SilenceErrors:    true,
		SilenceUsage:     true,
		Args:             knownCommand,
		RunE:             func(c *cobra.Command, _ []string) error { return c.Help() },
		PersistentPreRun: func(*cobra.Command, []string) { p.running = true },
	}
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(p.serveCommand(), p.sampleCommand(), p.modelsCommand(), p.trainCommand(), p.evalCommand(), p.reproduceCommand(), p.demoCommand(), p.scheduleCommand(), p.encodeCommand(), p.decodeCommand(), p.likelihoodCommand(), p.scoreCommand(), p.benchCommand(), p.tokenCommand(), p.doctorCommand(), p.manCommand(), p.versionCommand())
	sortCommands(root)
	p.addCompletion(root)
	return root
}

// knownCommand refuses a command that does not exist, and names one that looks like it.
func knownCommand(root *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	root.SuggestionsMinimumDistance = 2
	message := fmt.Sprintf("no command is called %q", args[0])
	if near := root.SuggestionsFor(args[0]); len(near) > 0 {
		message += ": did you mean " + strings.Join(near, " or ") + "?"
	}
	return errors.New(message)
}

// usageError is a mistake in the command line that shows only when the command looks at it.
type usageError struct{ message string }

func (e *usageError) Error() string { return e.message }

func usagef(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// interruption is the end of work that left something behind.
type interruption struct {
	left  string // what became of the work
	cause error
}

func (i *interruption) Error() string { return i.cause.Error() + ": " + i.left }
func (i *interruption) Unwrap() error { return i.cause }

// whatIsLeft is what err says of interrupted work, if it does.
func whatIsLeft(err error) string {
	if i := (*interruption)(nil); errors.As(err, &i) {
		return ": " + i.left
	}
	return ""
}

// oneLine is err's text with every line break a space.
func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }
