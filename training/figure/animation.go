package figure

import (
	"bufio"
	"fmt"
	"image"
	"image/gif"
	"io"
	"math"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"
)

// Timing says how fast an animation runs. It loops for ever.
type Timing struct {
	Delay time.Duration // of a frame; rounded to 10 ms, from 20 ms to 655 s
	Hold  time.Duration // of the last frame; Delay if shorter
}

func (t Timing) centiseconds(frame, frames int) int {
	d := t.Delay
	if frame == frames-1 {
		d = max(d, t.Hold)
	}
	return int(min(math.MaxUint16, max(2, (d+5*time.Millisecond)/(10*time.Millisecond))))
}

// Animate writes figures of equal layout as a GIF that loops for ever, with one pixel per point. The frames share one
// palette and are not dithered, so that the parts that do not move do not flicker.
func Animate(w io.Writer, figures []Figure, t Timing) error {
	return animate(w, len(figures), t, func(i int) (*image.RGBA, error) { return figures[i].render(1) })
}

// paletteFrames is the number of frames, evenly spaced, whose colours the palette is made of.
const paletteFrames = 12

// animate writes n rendered frames. It renders them in parallel, and a few of them twice, so that it keeps only a few
// full-colour frames in memory.
func animate(w io.Writer, n int, t Timing, render func(i int) (*image.RGBA, error)) error {
	if n == 0 {
		return fmt.Errorf("animation: no frames: want at least one")
	}
	colours, err := sharedPalette(n, render)
	if err != nil {
		return err
	}
	g := &gif.GIF{Image: make([]*image.Paletted, n)}
	model := colours.model()
	err = parallel(n, func(i int) error {
		img, err := render(i)
		if err != nil {
			return fmt.Errorf("frame %d: %w", i, err)
		}
		g.Image[i] = colours.index(img, model)
		return nil
	})
	if err != nil {
		return err
	}
	for i, img := range g.Image {
		if img.Rect != g.Image[0].Rect {
			return fmt.Errorf("frame %d: %v pixels, frame 0 has %v: want equal sizes",
				i, img.Rect.Size(), g.Image[0].Rect.Size())
		}
		g.Delay = append(g.Delay, t.centiseconds(i, n))
		g.Disposal = append(g.Disposal, gif.DisposalNone)
	}
	g.Config = image.Config{ColorModel: model, Width: g.Image[0].Rect.Dx(), Height: g.Image[0].Rect.Dy()}
	for i := n - 1; i > 0; i-- {
		g.Image[i] = change(g.Image[i-1], g.Image[i])
	}
	out := bufio.NewWriter(w)
	if err := gif.EncodeAll(out, g); err != nil {
		return fmt.Errorf("encode GIF: %w", err)
	}
	return out.Flush()
}

func sharedPalette(n int, render func(i int) (*image.RGBA, error)) (palette, error) {
	sample := spread(n, paletteFrames)
	counts := make([]census, len(sample))
	err := parallel(len(sample), func(k int) error {
		img, err := render(sample[k])
		if err != nil {
			return fmt.Errorf("frame %d: %w", sample[k], err)
		}
		counts[k] = census{}
		counts[k].add(img)
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, c := range counts[1:] {
		for v, pixels := range c {
			counts[0][v] += pixels
		}
	}
	return counts[0].palette(), nil
}

// change returns the part of next that differs from previous. Equal pixels in it are transparent. This compresses
// better than their colours if most of the picture does not change.
func change(previous, next *image.Paletted) *image.Paletted {
	var area image.Rectangle
	still := 0
	for i, v := range next.Pix {
		if previous.Pix[i] == v {
			still++
			continue
		}
		x, y := i%next.Stride, i/next.Stride
		area = area.Union(image.Rect(x, y, x+1, y+1))
	}
	if area.Empty() {
		area = image.Rect(0, 0, 1, 1)
	}
	out := image.NewPaletted(area, next.Palette)
	moving := len(next.Pix) - still
	keep := 2*moving > area.Dx()*area.Dy()
	for y := area.Min.Y; y < area.Max.Y; y++ {
		for x := area.Min.X; x < area.Max.X; x++ {
			i := next.PixOffset(x, y)
			if keep || previous.Pix[i] != next.Pix[i] {
				out.Pix[out.PixOffset(x, y)] = next.Pix[i]
			}
		}
	}
	return out
}

// parallel calls do(0) to do(n-1) on all processors and returns the first error.
func parallel(n int, do func(i int) error) error {
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i := range n {
		g.Go(func() error { return do(i) })
	}
	return g.Wait()
}
