// Trainer is Langevin's side of `make bench-train`: a peer like those in bench/peers, that answers commands, one JSON
// object a line on standard input, with one JSON object a line on standard output. It trains by training.Run, as
// `langevin train` does.
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

	"github.com/langevin-ml/langevin/ort"
)

func main() {
	library := flag.String("library", "", "path of the ONNX Runtime library")
	flag.Parse()
	ort.AddProcessors() // as the program does
	p := &peer{library: *library}
	err := p.serve(os.Stdin, os.Stdout)
	if err := errors.Join(err, p.stop()); err != nil {
		fmt.Fprintln(os.Stderr, "trainer:", err)
		os.Exit(1)
	}
}

// command is any of those that a trainer knows, with what they need.
type command struct {
	Do     string
	Folder string   // of begin: to write to
	Preset string   // of begin
	Set    []string // of begin: settings that differ from the preset's, as in Config.Set
	Repeat int      // of train: how many iterations
}

// answer holds what the command asks for, or an error.
type answer struct {
	Error   string    `json:"error,omitempty"`
	Text    string    `json:"text,omitempty"`
	Seconds float64   `json:"seconds,omitempty"`
	Losses  []float64 `json:"losses,omitempty"` // of the first batches, each before its update
	Moved   float64   `json:"moved,omitempty"`  // from the first weights to the averaged ones after those
}

// serve answers commands until there are no more.
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

// versions are those of the modules that training stands on.
func versions() string {
	var found []string
	info, _ := debug.ReadBuildInfo() // without it nothing is found
	for _, m := range info.Deps {
		if strings.HasPrefix(m.Path, "github.com/gomlx/") {
			found = append(found, m.Path+" "+m.Version)
		}
	}
	return strings.Join(found, ", ")
}
