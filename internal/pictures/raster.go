package pictures

import (
	"image"
	"image/color"
	"math"
	"slices"

	"golang.org/x/image/draw"

	"github.com/langevin-ml/langevin/client"
)

// Render draws samples of a model as a picture of at most the given size.
func Render(b client.Batch, m client.Model, size image.Point) (image.Image, error) {
	if len(b.Shape) == 1 {
		return scatter(b, m, size), nil
	}
	images, err := b.Images(m.Low, m.High)
	if err != nil {
		return nil, err
	}
	return grid(images, size), nil
}

// background returns the colour behind pictures in the terminal, dark like most terminals.
func background() color.RGBA { return color.RGBA{13, 14, 22, 255} }

// scatter draws points: the more of them in a pixel, the brighter. The view is the model's range, or wider while noise
// takes the chains out of it.
func scatter(b client.Batch, m client.Model, size image.Point) image.Image {
	side := min(size.X, size.Y)
	counts := make([]float64, side*side)
	centre, reach := (m.Low+m.High)/2, (m.High-m.Low)/2
	reach = max(reach, 1.02*farthest(b, centre)) // a little more, so that nothing is cut off at the edge
	spot := max(1, side/160)                     // of a point, in pixels
	for i := range b.N {
		row := b.Row(i)
		x := pixel(float64(row[0]), centre, reach, side)
		y := side - 1 - pixel(float64(row[min(1, len(row)-1)]), centre, reach, side)
		for dy := range spot {
			for dx := range spot {
				if px, py := x+dx, y+dy; px >= 0 && py >= 0 && px < side && py < side {
					counts[py*side+px]++
				}
			}
		}
	}
	return glow(counts, side)
}

// farthest returns the distance from the centre within which nearly all coordinates are. A few stray chains do not
// count.
func farthest(b client.Batch, centre float64) float64 {
	distances := make([]float64, len(b.X))
	for i, v := range b.X {
		distances[i] = math.Abs(float64(v) - centre)
	}
	slices.Sort(distances)
	return distances[(len(distances)-1)*98/100]
}

// pixel returns the column or the row of a coordinate.
func pixel(v, centre, reach float64, side int) int {
	return int(math.Floor((v - centre + reach) / (2 * reach) * float64(side)))
}

// glow colours counts from dark over violet and orange to white.
func glow(counts []float64, side int) image.Image {
	stops := []color.RGBA{background(), {92, 62, 160, 255}, {240, 130, 70, 255}, {255, 244, 214, 255}}
	most := math.Log1p(slices.Max(counts))
	picture := image.NewRGBA(image.Rect(0, 0, side, side))
	for i, count := range counts {
		c := stops[0]
		if count > 0 {
			t := 0.25 + 0.75*math.Log1p(count)/most // one point alone must be seen
			at := min(t*float64(len(stops)-1), float64(len(stops)-1)-1e-9)
			c = mix(stops[int(at)], stops[int(at)+1], at-math.Floor(at))
		}
		picture.SetRGBA(i%side, i/side, c)
	}
	return picture
}

func mix(a, b color.RGBA, t float64) color.RGBA {
	between := func(a, b uint8) uint8 { return uint8(math.Round(float64(a) + t*(float64(b)-float64(a)))) }
	return color.RGBA{between(a.R, b.R), between(a.G, b.G), between(a.B, b.B), 255}
}

// grid lays out pictures of one size in rows and scales them to fit. It leaves out pictures for which there is no room
// at their own size.
func grid(pictures []image.Image, size image.Point) image.Image {
	one := pictures[0].Bounds().Size()
	side := min(size.X, size.Y)
	most := max(1, side/(one.X+1)) * max(1, side/(one.Y+1))
	pictures = pictures[:min(len(pictures), most)]
	columns := int(math.Ceil(math.Sqrt(float64(len(pictures)))))
	rows := (len(pictures) + columns - 1) / columns
	sheet := image.NewRGBA(image.Rect(0, 0, columns*(one.X+1)-1, rows*(one.Y+1)-1))
	draw.Draw(sheet, sheet.Bounds(), image.NewUniform(background()), image.Point{}, draw.Src)
	for i, picture := range pictures {
		at := image.Pt(i%columns*(one.X+1), i/columns*(one.Y+1))
		draw.Draw(sheet, image.Rectangle{at, at.Add(one)}, picture, picture.Bounds().Min, draw.Src)
	}
	return fitInto(sheet, side)
}

// fitInto scales a picture to a square of the given side: by whole pixels if it grows, smoothly if it shrinks.
func fitInto(picture *image.RGBA, side int) image.Image {
	longest := max(picture.Bounds().Dx(), picture.Bounds().Dy())
	scale := float64(side) / float64(longest)
	var scaler draw.Scaler = draw.CatmullRom
	if scale >= 1 {
		scale, scaler = math.Floor(scale), draw.NearestNeighbor
	}
	w, h := int(float64(picture.Bounds().Dx())*scale), int(float64(picture.Bounds().Dy())*scale)
	square := image.NewRGBA(image.Rect(0, 0, side, side))
	draw.Draw(square, square.Bounds(), image.NewUniform(background()), image.Point{}, draw.Src)
	left, top := (side-w)/2, (side-h)/2
	scaler.Scale(square, image.Rect(left, top, left+w, top+h), picture, picture.Bounds(), draw.Src, nil)
	return square
}
