package pictures

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"os"
	"strings"

	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/ansi/iterm2"
	"github.com/charmbracelet/x/ansi/kitty"
	"github.com/charmbracelet/x/ansi/sixel"
)

func encodeBase64(data []byte) []byte { return []byte(base64.StdEncoding.EncodeToString(data)) }

// Graphics is a way in which a terminal shows pictures.
type Graphics string

const (
	GraphicsKitty  Graphics = "kitty"
	GraphicsITerm  Graphics = "iterm"
	GraphicsSixel  Graphics = "sixel"
	GraphicsBlocks Graphics = "blocks" // two pixels in every character: works everywhere
)

// The assumed size of a character, in pixels, for terminals that take pixels.
const (
	cellWidth  = 10
	cellHeight = 20
)

// FindGraphics returns what a terminal can show, by its environment variables. A multiplexer passes on characters only.
func FindGraphics(variable func(string) string) Graphics {
	term, emulator := variable("TERM"), variable("TERM_PROGRAM")
	switch {
	case variable("TMUX") != "" || strings.HasPrefix(term, "screen") || strings.HasPrefix(term, "tmux"):
		return GraphicsBlocks
	case variable("KITTY_WINDOW_ID") != "" || strings.Contains(term, "kitty") || emulator == "ghostty":
		return GraphicsKitty
	case emulator == "iTerm.app" || emulator == "WezTerm" || variable("LC_TERMINAL") == "iTerm2":
		return GraphicsITerm
	case strings.Contains(term, "sixel") || strings.HasPrefix(term, "foot") || strings.HasPrefix(term, "mlterm"):
		return GraphicsSixel
	}
	return GraphicsBlocks
}

// trueColour reports whether a terminal shows more than 256 colours, by its environment variables.
func trueColour(variable func(string) string) bool {
	return strings.Contains(variable("COLORTERM"), "truecolor") || strings.Contains(variable("COLORTERM"), "24bit")
}

// Size returns the size in pixels of a picture that fills the given numbers of characters.
func (g Graphics) Size(columns, rows int) image.Point {
	if g == GraphicsBlocks {
		return image.Pt(columns, 2*rows)
	}
	return image.Pt(columns*cellWidth, rows*cellHeight)
}

// Write shows a picture of that [Graphics.Size] and leaves the cursor at the start of the line below.
func (g Graphics) Write(w io.Writer, picture image.Image, columns, rows int) error {
	if g == GraphicsBlocks {
		return writeBlocks(w, picture, trueColour(os.Getenv))
	}
	// Terminals leave the cursor in different places after a picture, so it is put back and moved by lines.
	if _, err := io.WriteString(w, strings.Repeat("\n", rows)+ansi.CursorUp(rows)+ansi.SaveCursor); err != nil {
		return err
	}
	if err := g.writePixels(w, picture, columns, rows); err != nil {
		return err
	}
	_, err := io.WriteString(w, ansi.RestoreCursor+ansi.CursorDown(rows)+"\r")
	return err
}

func (g Graphics) writePixels(w io.Writer, picture image.Image, columns, rows int) error {
	switch g {
	case GraphicsKitty:
		return kitty.EncodeGraphics(w, picture, &kitty.Options{
			Action: kitty.TransmitAndPut, Format: kitty.PNG, Transmission: kitty.Direct, Chunk: true, Quiet: 2,
			ID: 1, PlacementID: 1, Columns: columns, Rows: rows,
		})
	case GraphicsITerm:
		var file bytes.Buffer
		if err := png.Encode(&file, picture); err != nil {
			return err
		}
		_, err := io.WriteString(w, ansi.ITerm2(iterm2.File{
			Size: int64(file.Len()), Width: iterm2.Cells(columns), Height: iterm2.Cells(rows), Inline: true,
			Content: encodeBase64(file.Bytes()),
		}))
		return err
	}
	var body bytes.Buffer
	if err := new(sixel.Encoder).Encode(&body, picture); err != nil {
		return err
	}
	_, err := io.WriteString(w, ansi.SixelGraphics(0, 1, 0, body.Bytes()))
	return err
}

// writeBlocks draws two pixels in every character, the upper as its colour and the lower as its background.
func writeBlocks(w io.Writer, picture image.Image, trueColour bool) error {
	var out bytes.Buffer
	bounds := picture.Bounds()
	for y := bounds.Min.Y; y < bounds.Max.Y; y += 2 {
		last := ""
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			style := blockStyle(picture.At(x, y), picture.At(x, y+1), trueColour)
			if style != last {
				out.WriteString(style)
				last = style
			}
			out.WriteString("▀")
		}
		out.WriteString(ansi.ResetStyle + "\n")
	}
	_, err := w.Write(out.Bytes())
	return err
}

func blockStyle(upper, lower color.Color, trueColour bool) string {
	if !trueColour {
		return fmt.Sprintf("\x1b[38;5;%d;48;5;%dm", ansi.Convert256(upper), ansi.Convert256(lower))
	}
	r, g, b, _ := upper.RGBA()
	s, h, c, _ := lower.RGBA()
	return fmt.Sprintf("\x1b[38;2;%d;%d;%d;48;2;%d;%d;%dm", r>>8, g>>8, b>>8, s>>8, h>>8, c>>8)
}
