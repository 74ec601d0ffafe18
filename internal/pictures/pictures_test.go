package pictures

import (
	"bytes"
	"image"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/langevin-ml/langevin/client"
)

func TestFindGraphics(t *testing.T) {
	for _, tt := range []struct {
		environment map[string]string
		want        Graphics
	}{
		{nil, GraphicsBlocks},
		{map[string]string{"TERM": "xterm-256color"}, GraphicsBlocks},
		{map[string]string{"TERM": "xterm-kitty"}, GraphicsKitty},
		{map[string]string{"TERM_PROGRAM": "ghostty"}, GraphicsKitty},
		{map[string]string{"TERM_PROGRAM": "iTerm.app"}, GraphicsITerm},
		{map[string]string{"TERM": "foot"}, GraphicsSixel},
		{map[string]string{"TERM": "xterm-kitty", "TMUX": "/tmp/tmux"}, GraphicsBlocks},
		{map[string]string{"TERM": "screen-256color", "KITTY_WINDOW_ID": "1"}, GraphicsBlocks},
	} {
		if got := FindGraphics(func(name string) string { return tt.environment[name] }); got != tt.want {
			t.Errorf("%v: %s, want %s", tt.environment, got, tt.want)
		}
	}
}

// TestScatter: a point is where it should be, and what lies outside the model's range widens the view.
func TestScatter(t *testing.T) {
	m := client.Model{Low: -10, High: 10}
	bright := func(x ...float32) []image.Point {
		picture := scatter(client.Batch{X: x, Shape: []int{2}, N: len(x) / 2}, m, image.Pt(20, 20))
		var all []image.Point
		for y := range 20 {
			for x := range 20 {
				if picture.At(x, y) != background() {
					all = append(all, image.Pt(x, y))
				}
			}
		}
		return all
	}
	if diff := cmp.Diff([]image.Point{{15, 9}}, bright(5.5, 0.5)); diff != "" {
		t.Errorf("in view (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]image.Point{{19, 9}}, bright(50, 1, 0, -100)); diff != "" {
		t.Errorf("noise (-want +got):\n%s", diff)
	}
}

func TestBlocks(t *testing.T) {
	picture := image.NewRGBA(image.Rect(0, 0, 2, 2))
	picture.SetRGBA(0, 0, mix(background(), background(), 0))
	var out bytes.Buffer
	if err := writeBlocks(&out, picture, true); err != nil {
		t.Fatal(err)
	}
	want := "\x1b[38;2;13;14;22;48;2;0;0;0m▀\x1b[38;2;0;0;0;48;2;0;0;0m▀\x1b[m\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestPreviewsFitAMessage(t *testing.T) {
	for _, tt := range []struct{ dim, n, want int }{{2, 2000, 2000}, {2, 1 << 20, 131072}, {1 << 20, 5, 1},
		{3072, 500, 85}} {
		got := Previews(client.Model{Shape: []int{tt.dim}}, tt.n, 60)
		if got.Chains != tt.want || got.MaxFrames != 60 {
			t.Errorf("%d chains of %d numbers: %+v, want %d chains", tt.n, tt.dim, got, tt.want)
		}
	}
}
