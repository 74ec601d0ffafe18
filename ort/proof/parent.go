package proof

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"time"

	"github.com/langevin-ml/langevin/models"
)

// Command is the first argument with which a prover starts the running program again. The program's main then calls
// [RunChild].
const Command = "model-proof"

// task is what a child has to do. It reads it from its standard input, in one line of JSON, before the file.
type task struct {
	Library string
	Rules   models.Rules
	Limits  Limits
	Bytes   int // size of the file
}

// answer is what a child writes when it is done.
type answer struct {
	Done    bool
	Grain   int
	Refusal string // why the file cannot be served
	Failure string // why the child could not find out
}

// try runs a child for a file. The error says why there is no verdict.
func try(ctx context.Context, t task, graph []byte) (verdict, error) {
	if Child() {
		return verdict{}, fmt.Errorf("this process is a proof itself: its main does not call proof.RunChild")
	}
	t.Bytes = len(graph)
	header, err := json.Marshal(t)
	if err != nil {
		return verdict{}, err
	}
	timed, cancel := context.WithTimeout(ctx, t.Limits.Clock())
	defer cancel()
	child, err := newChild(timed, io.MultiReader(bytes.NewReader(append(header, '\n')), bytes.NewReader(graph)))
	if err != nil {
		return verdict{}, err
	}
	ended := child.run()
	switch a := child.answer(); {
	case ctx.Err() != nil:
		return verdict{}, context.Cause(ctx)
	case a.Failure != "":
		return verdict{}, errors.New(a.Failure)
	case a.Done:
		return a.verdict(t.Limits), nil
	case !child.started:
		return verdict{}, ended
	default:
		return child.verdict(ended, timed.Err() != nil, t.Limits), nil
	}
}

func (a answer) verdict(l Limits) verdict {
	switch {
	case a.Refusal == "":
		return verdict{grain: a.Grain}
	case shortOfMemory.MatchString(a.Refusal):
		return refuse("it needs more than %s of memory", size(l.Memory))
	}
	return refuse("%s", a.Refusal)
}

func refuse(format string, args ...any) verdict {
	return verdict{refusal: fmt.Errorf("%w: %w", models.ErrInvalid, fmt.Errorf(format, args...))}
}

// mostOutput is how much a parent reads of what a child writes.
const mostOutput = 16 << 10

// child is a process that proves one file.
type child struct {
	command        *exec.Cmd
	started        bool
	stdout, stderr head
}

// newChild prepares a child that reads from stdin. It ends when ctx ends.
func newChild(ctx context.Context, stdin io.Reader) (*child, error) {
	program, err := executable()
	if err != nil {
		return nil, err
	}
	c := &child{command: exec.CommandContext(ctx, program, Command)}
	c.command.Env, c.command.Dir = environment(), "/"
	c.command.WaitDelay = time.Second
	c.command.Stdout, c.command.Stderr = &c.stdout, &c.stderr
	c.command.SysProcAttr = attributes()
	pipe, err := c.command.StdinPipe()
	if err != nil {
		return nil, err
	}
	go func() { _, _ = io.Copy(pipe, stdin) }() // stays open, so that the child sees when this process ends
	return c, nil
}

// run runs the child to its end. Linux ends a child with the thread that started it, so the thread must live on.
func (c *child) run() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := c.command.Start(); err != nil {
		return fmt.Errorf("start a process for the proof: %w", err)
	}
	c.started = true
	return c.command.Wait()
}

func (c *child) answer() (a answer) {
	if json.Unmarshal(c.stdout.Bytes(), &a) != nil {
		return answer{}
	}
	return a
}

// environment returns the variables of a child: those with which the system finds libraries, those of Go's race
// detector, which only a program that is built with it reads, and nothing else.
func environment() []string {
	env := []string{"GOTRACEBACK=none"}
	for _, name := range []string{"LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "GORACE"} {
		if value, found := os.LookupEnv(name); found {
			env = append(env, name+"="+value)
		}
	}
	return env
}

var (
	// shortOfMemory matches what the C library, ONNX Runtime and Go say if they get no memory.
	shortOfMemory = regexp.MustCompile(
		`(?i)bad.?alloc|failed to allocate memory|out of memory|no memory for|cannot allocate memory`)

	// signalled matches the signal in what Go writes before it ends the process.
	signalled = regexp.MustCompile(`\b(SIG[A-Z]+)\b`)
)

// verdict says why a child ended without an answer. late says whether the clock ended it.
func (c *child) verdict(ended error, late bool, l Limits) verdict {
	said, state := c.stderr.String(), c.command.ProcessState
	signal := signalled.FindString(said)
	switch {
	case late:
		return refuse("it did not finish within %v", l.Clock()).passing()
	case state == nil:
	case state.UserTime()+state.SystemTime() > l.Time*3/4 && state.ExitCode() < 0: // killed; the kernel rounds times
		return refuse("it did not finish within %v of a processor's time", l.Time)
	case shortOfMemory.MatchString(said):
		return refuse("it needs more than %s of memory", size(l.Memory))
	case signal != "":
		return refuse("it ends the process that evaluates it (%s)", signal)
	}
	firstLine, _, _ := strings.Cut(said, "\n")
	return refuse("the process that evaluates it ended early: %w: %s", ended,
		cmp.Or(firstLine, "it said nothing")).passing()
}

// passing says that another proof of the same file may have another verdict.
func (v verdict) passing() verdict {
	v.passes = true
	return v
}

// size writes a number of bytes in GiB or MiB.
func size(bytes int64) string {
	if bytes >= 1<<30 {
		return fmt.Sprintf("%.3g GiB", float64(bytes)/(1<<30))
	}
	return fmt.Sprintf("%.3g MiB", float64(bytes)/(1<<20))
}

// head keeps the first bytes that are written to it.
type head struct{ bytes.Buffer }

// Write never fails.
func (h *head) Write(p []byte) (int, error) {
	h.Buffer.Write(p[:min(len(p), max(0, mostOutput-h.Len()))])
	return len(p), nil
}
