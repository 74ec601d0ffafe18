package proof

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/ort"
)

// Child reports whether this process was started for a proof. Its main then calls [RunChild] and exits.
func Child() bool { return len(os.Args) > 1 && os.Args[1] == Command }

// RunChild does what a child is started for. It returns the exit status.
func RunChild() int {
	runtime.LockOSThread() // on Linux, a thread has a priority and not a process
	in := bufio.NewReader(os.Stdin)
	a, err := prove(in)
	if err != nil {
		a.Failure = err.Error()
	}
	a.Done = true
	if err := json.NewEncoder(os.Stdout).Encode(a); err != nil {
		return 1
	}
	return 0
}

// prove reads a task and a file, and evaluates the file. The error says why it could not find out whether the file can
// be served.
func prove(in *bufio.Reader) (answer, error) {
	t, graph, err := read(in)
	if err != nil {
		return answer{}, fmt.Errorf("read the model file: %w", err)
	}
	go func() {
		_, _ = in.ReadByte() // ends when the parent does
		os.Exit(1)
	}()
	library, err := ort.OpenChecked(t.Library)
	if err != nil {
		return answer{}, err
	}
	grain, err := evaluate(context.Background(), library, t.Rules, graph)
	if err != nil && !errors.Is(err, models.ErrInvalid) {
		return answer{}, err
	}
	if err != nil {
		return answer{Refusal: reasonOf(err)}, nil
	}
	return answer{Grain: grain}, nil
}

// read reads the task, lowers the limits of this process and reads the file.
func read(in *bufio.Reader) (t task, graph []byte, err error) {
	header, err := in.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(header, &t)
	}
	if err == nil {
		err = lower(t.Limits)
	}
	if err != nil {
		return t, nil, err
	}
	graph = make([]byte, t.Bytes)
	_, err = io.ReadFull(in, graph)
	return t, graph, err
}

// evaluate opens a file as a server does, and evaluates it at the sizes, values and sigmas that it may get there.
func evaluate(ctx context.Context, r *ort.Runtime, rules models.Rules, graph []byte) (grain int, err error) {
	m, err := models.Read(graph)
	if err != nil {
		return 0, err
	}
	session, err := r.Load(ctx, graph, m, ort.Options{Rules: rules})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, session.Close()) }()
	return session.Grain(), session.Stress(ctx, m)
}

// reasonOf returns the text of an error without what the parent adds again.
func reasonOf(err error) string {
	const most = 600
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
		err = inner
	}
	text := strings.TrimPrefix(err.Error(), models.ErrInvalid.Error()+": ")
	return strings.ToValidUTF8(text[:min(len(text), most)], "")
}
