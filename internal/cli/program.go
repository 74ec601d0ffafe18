// Package cli has what every command uses: where the program writes, usage errors and exit codes, the values of flags
// and their groups in help, progress bars and JSON.
package cli

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
	"github.com/langevin-ml/langevin/internal/phrase"
	"github.com/langevin-ml/langevin/ort"
)

// Exit codes of the process.
const (
	ExitOK          = 0
	ExitFailed      = 1
	ExitUsage       = 2 // the command line or a setting is wrong
	ExitTrouble     = 2 // compare could not compare, as with cmp and diff
	ExitAlarm       = 3 // detect found samples below its threshold
	ExitInterrupted = 130
)

// Program is one run of langevin: where it writes to, and what commands need to know about the process.
type Program struct {
	Stdout, Stderr           io.Writer
	TerminalOut, TerminalErr bool            // whether they are terminals
	color                    bool            // whether Stdout shows colours
	Connect                  []client.Option // added to those of every client
	Version, Commit          string          // that the linker has set; may be empty
	running                  bool            // whether a command has begun, so that an error is not one of usage
	told                     map[string]bool // the lines of TellOnce
}

// New returns a program that writes to stdout and stderr. It finds out whether these are terminals.
func New(stdout, stderr io.Writer) *Program {
	p := &Program{Stdout: stdout, Stderr: stderr, TerminalOut: isTerminal(stdout), TerminalErr: isTerminal(stderr)}
	p.color = p.TerminalOut && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	return p
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Run executes the command below root that args name, and returns the exit code. If that is not 0, it has written the
// reason to Stderr, in one line.
func (p *Program) Run(ctx context.Context, root *cobra.Command, args []string) int {
	root.PersistentPreRun = func(*cobra.Command, []string) { p.running = true }
	root.SetFlagErrorFunc(flagError)
	root.SetArgs(args)
	root.SetOut(p.Stdout)
	root.SetErr(p.Stderr)
	checkArguments(root)
	command, err := root.ExecuteContextC(ctx)
	if err == nil {
		return ExitOK
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		fmt.Fprintln(p.Stderr, "langevin: interrupted"+whatIsLeft(err))
		return ExitInterrupted
	}
	if usage := (*usageError)(nil); errors.As(err, &usage) || !p.running {
		fmt.Fprintf(p.Stderr, "langevin: %s (see %s --help)\n", phrase.OneLine(err), command.CommandPath())
		return ExitUsage
	}
	if errors.Is(err, ort.ErrLibraryNotFound) {
		err = fmt.Errorf("%w; --%s gives its path", err, libraryFlag)
	}
	fmt.Fprintf(p.Stderr, "langevin: %s\n", phrase.OneLine(err))
	if found := (*coded)(nil); errors.As(err, &found) {
		return found.code
	}
	return ExitFailed
}

// checkArguments makes every command below root, also those that cobra adds, refuse arguments that it does not take. A
// group of commands refuses a command that it does not have. By itself a group shows its help and succeeds.
func checkArguments(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	for _, c := range AllCommands(root) {
		switch added := c.HasParent() && c.Parent().Name() == "completion"; {
		case c.Args != nil && !added && c.Runnable():
		case c.HasSubCommands():
			c.Args = knownCommand
			if !c.Runnable() {
				c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
			}
		default:
			c.Args = Arguments(0, 0)
		}
	}
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

// usageError is a mistake in the command line that a command finds after parsing.
type usageError struct{ message string }

func (e *usageError) Error() string { return e.message }

// Usagef returns an error that ends the program with [ExitUsage].
func Usagef(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// coded is an error that ends the program with an exit code of its own.
type coded struct {
	error
	code int
}

func (c *coded) Unwrap() error { return c.error }

// Alarmf returns an error that ends the program with [ExitAlarm].
func Alarmf(format string, args ...any) error { return &coded{fmt.Errorf(format, args...), ExitAlarm} }

// Trouble returns err, so that it ends the program with [ExitTrouble]; nil for nil.
func Trouble(err error) error {
	if err == nil {
		return nil
	}
	return &coded{err, ExitTrouble}
}

// interruption is the error of interrupted work that left something behind.
type interruption struct {
	left  string // what became of the work
	cause error
}

// Interrupted returns the error of interrupted work. left says what became of it.
func Interrupted(left string, cause error) error { return &interruption{left, cause} }

func (i *interruption) Error() string { return i.cause.Error() + ": " + i.left }

func (i *interruption) Unwrap() error { return i.cause }

// whatIsLeft returns ": " and what became of interrupted work, or "" if err does not say.
func whatIsLeft(err error) string {
	if i := (*interruption)(nil); errors.As(err, &i) {
		return ": " + i.left
	}
	return ""
}

// Bold returns text in bold, if Stdout shows colours.
func (p *Program) Bold(text string) string { return p.paint("1", text) }

// paint wraps text in a terminal's code for a colour or weight, if Stdout shows colours.
func (p *Program) paint(code, text string) string {
	if !p.color {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// AllCommands returns c and all commands below it.
func AllCommands(c *cobra.Command) []*cobra.Command {
	all := []*cobra.Command{c}
	for _, child := range c.Commands() {
		all = append(all, AllCommands(child)...)
	}
	return all
}
