// Trainer is Langevin's side of `make bench-train`. Like the peers in bench/peers it reads commands from standard input
// and writes answers to standard output, one JSON object per line. It trains with training.Run, as `langevin train`
// does.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"

	"github.com/langevin-ml/langevin/internal/processors"
)

func main() {
	library := flag.String("library", "", "path of the ONNX Runtime library")
	flag.Parse()
	processors.Multiply() // as the program does
	p := &peer{library: *library}
	err := p.serve(os.Stdin, os.Stdout)
	if err := errors.Join(err, p.stop()); err != nil {
		fmt.Fprintln(os.Stderr, "trainer:", err)
		os.Exit(1)
	}
}

// command is any command of a trainer, with its arguments.
type command struct {
	Do     string
	Folder string   // for begin: the folder to write to
	Preset string   // for begin
	Set    []string // for begin: settings that differ from the preset, as in Config.Set
	Repeat int      // for train: the number of iterations
}

// answer is the answer to a command, or an error.
type answer struct {
	Error   string    `json:"error,omitempty"`
	Text    string    `json:"text,omitempty"`
	Seconds float64   `json:"seconds,omitempty"`
	Losses  []float64 `json:"losses,omitempty"` // losses of the first batches, each before its update
	Moved   float64   `json:"moved,omitempty"`  // distance of the averaged weights from the first after these
}

// serve answers commands until the input ends.
func (p *peer) serve(in io.Reader, out io.Writer) error {
	commands, answers := json.NewDecoder(bufio.NewReader(in)), json.NewEncoder(out)
	for {
		var c command
		if err := commands.Decode(&c); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read a command: %w", err)
		}
		a, err := p.answer(c)
		if err != nil {
			a = answer{Error: err.Error()} // the other side decides what to do about it
		}
		if err := answers.Encode(a); err != nil {
			return fmt.Errorf("write an answer: %w", err)
		}
	}
}

func (p *peer) answer(c command) (answer, error) {
	switch c.Do {
	case "describe":
		return answer{Text: versions()}, nil
	case "begin":
		return p.begin(c)
	case "train":
		took, err := p.train(c.Repeat)
		return answer{Seconds: took.Seconds()}, err
	}
	return answer{}, fmt.Errorf("no such command: %s", c.Do)
}

// versions returns the versions of the modules that training uses.
func versions() string {
	var found []string
	info, _ := debug.ReadBuildInfo() // without it the loop finds nothing
	for _, m := range info.Deps {
		if strings.HasPrefix(m.Path, "github.com/gomlx/") {
			found = append(found, m.Path+" "+m.Version)
		}
	}
	return strings.Join(found, ", ")
}
