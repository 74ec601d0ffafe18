package sample

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/charmbracelet/x/ansi"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/drawing"
	"github.com/langevin-ml/langevin/internal/phrase"
	"github.com/langevin-ml/langevin/internal/pictures"
)

// liveFlags has the flags for pictures in the terminal.
type liveFlags struct {
	show, watch bool
	graphics    cli.WordValue[pictures.Graphics]
}

func (f *liveFlags) register(flags *pflag.FlagSet) {
	f.graphics.Words = []pictures.Graphics{pictures.GraphicsKitty, pictures.GraphicsITerm, pictures.GraphicsSixel,
		pictures.GraphicsBlocks}
	flags.BoolVar(&f.show, "show", false, "draw the samples in this terminal too")
	flags.BoolVar(&f.watch, "watch", false, "draw the chains in this terminal while they move")
	flags.Var(&f.graphics, "graphics", "how the terminal shows pictures: kitty, iterm, sixel or blocks "+
		"(default by the terminal)")
}

// Limits of what --watch draws: states, and chains. A state shows once all of its chains have reached it, so there are
// no more chains than servers advance together.
const (
	liveFrames = 60
	livePoints = 256
	liveImages = 32
)

func livePreviews(m client.Model, request client.SampleRequest) *client.PreviewOptions {
	chains := livePoints
	if len(m.Shape) > 1 {
		chains = liveImages
	}
	return pictures.Previews(m, min(request.N, chains), liveFrames)
}

// screen draws chains on a terminal: each picture over the one before, with a line of text below.
type screen struct {
	out           io.Writer
	graphics      pictures.Graphics
	columns, rows int // of the picture
	width         int // of the terminal
	model         client.Model
	every         bool // whether to draw the states on the way
	drawn         bool
}

// newScreen returns a screen for the pictures that flags ask for, or nil if they ask for none. It adds the states that
// it needs to the request.
func newScreen(
	ctx context.Context, p *cli.Program, c *client.Client, request *client.SampleRequest, flags liveFlags,
) (*screen, error) {
	if !flags.show && !flags.watch {
		return nil, nil
	}
	if !p.TerminalErr {
		return nil, cli.Usagef("--show and --watch draw on standard error: want a terminal there")
	}
	model, err := drawableModel(ctx, c, *request, true)
	if err != nil {
		return nil, err
	}
	if flags.watch && request.Preview == nil {
		request.Preview = livePreviews(model, *request)
	}
	s := &screen{out: p.Stderr, model: model, every: flags.watch, graphics: flags.graphics.Word}
	if s.graphics == "" {
		s.graphics = pictures.FindGraphics(os.Getenv)
	}
	s.fit(terminalSize(p.Stderr))
	return s, nil
}

// terminalSize returns how many characters the terminal w shows, or 80 by 24 if that is not known.
func terminalSize(w io.Writer) (columns, rows int) {
	if f, ok := w.(*os.File); ok {
		if columns, rows, err := term.GetSize(int(f.Fd())); err == nil && columns > 0 && rows > 0 {
			return columns, rows
		}
	}
	return 80, 24
}

// fit chooses the largest square that leaves room for two lines. It assumes characters twice as high as wide.
func (s *screen) fit(columns, rows int) {
	s.width = columns
	s.rows = max(4, min(rows-3, columns/2, 40))
	s.columns = 2 * s.rows
}

// draw reads one Sample call to its end, shows its chains, and passes every event to the watchers.
func (s *screen) draw(stream *client.Stream, watchers ...func(client.Event)) (*client.Result, error) {
	fmt.Fprint(s.out, ansi.HideCursor)
	defer fmt.Fprint(s.out, ansi.ShowCursor)
	var failed error
	for event := range stream.Events() { // Result returns the error
		for _, see := range watchers {
			see(event)
		}
		switch e := event.(type) {
		case client.Preview:
			if s.every && e.N > 0 {
				failed = s.picture(e.Batch, fmt.Sprintf("step %d, level %d, sigma %.3g", e.Step, e.Level+1, e.Sigma))
			}
		case client.Progress:
			failed = s.say(drawing.Describe(e))
		case client.Resumed:
			failed = s.say(drawing.ResumedText(e))
		}
		if failed != nil {
			break
		}
	}
	if failed != nil {
		return nil, fmt.Errorf("draw on the terminal: %w", failed)
	}
	res, err := stream.Result()
	if err != nil {
		fmt.Fprintln(s.out)
		return nil, err
	}
	return res, s.end(res)
}

func (s *screen) end(res *client.Result) error {
	err := s.picture(res.Batch, fmt.Sprintf("%s, %s score evaluations in %s", phrase.Plural(res.N, "chain"),
		phrase.Short(float64(res.NFE)), phrase.Tidy(res.Elapsed)))
	fmt.Fprintln(s.out)
	return err
}

// picture draws rows over the picture before. It asks the terminal to show all lines at once.
func (s *screen) picture(b client.Batch, status string) error {
	picture, err := pictures.Render(b, s.model, s.graphics.Size(s.columns, s.rows))
	if err != nil {
		return err
	}
	var frame bytes.Buffer
	frame.WriteString(ansi.SetModeSynchronizedOutput + "\r" + ansi.EraseLineRight)
	if s.drawn {
		frame.WriteString(ansi.CursorUp(s.rows))
	}
	if err := s.graphics.Write(&frame, picture, s.columns, s.rows); err != nil {
		return err
	}
	frame.WriteString(s.line(status) + ansi.ResetModeSynchronizedOutput)
	s.drawn = true
	_, err = s.out.Write(frame.Bytes())
	return err
}

// say replaces the line below the picture.
func (s *screen) say(status string) error {
	_, err := io.WriteString(s.out, "\r"+ansi.EraseLineRight+s.line(status))
	return err
}

// line returns a status cut to the terminal's width, so that it never wraps.
func (s *screen) line(status string) string {
	return ansi.Truncate(strings.TrimPrefix(s.model.Name+": "+status, ": "), s.width-1, "…")
}
