package figure

import (
	"bytes"
	"image/png"
	"math"
	"strings"
	"testing"
)

// fan is a picture of two curves over two costs, the second a tenth of the first.
func fan() Tradeoff {
	point := func(cost, value, spread float64) TradeoffPoint {
		return TradeoffPoint{[]float64{cost, cost / 10}, []Bar{{value, spread}}}
	}
	return Tradeoff{
		Title: "fan", Costs: []Axis{{Name: "evaluations", Log: true}, {Name: "seconds", Log: true}},
		Measures: []Axis{{Name: "FID", Log: true, Expected: 1}},
		Curves: []TradeoffCurve{
			{"one", []TradeoffPoint{point(10, 8, 2), point(100, 2, 3)}},
			{"two", []TradeoffPoint{point(20, 4, 0)}},
		},
	}
}

// The axes are the smallest that hold all values, their bars and what is expected, with a little room. A bar that
// reaches below 0 does not count on a logarithmic axis.
func TestTradeoffAxes(t *testing.T) {
	f := fan()
	for row, factor := range []float64{1, 0.1} {
		a := f.axes(nil, box{0, 0, 100, 100}, row, 0)
		x, y := a.x, a.y
		if !x.log || math.Abs(x.Low-10*factor/1.12) > 1e-9 || math.Abs(x.High-100*factor*1.12) > 1e-9 {
			t.Errorf("cost %d has the scale %+v", row, x)
		}
		if !y.log || math.Abs(y.Low-1/1.12) > 1e-9 || math.Abs(y.High-10*1.12) > 1e-9 {
			t.Errorf("the measure has the scale %+v", y)
		}
	}
	f.Curves[0].Points[0].Measures[0].Value = 0
	if a := f.axes(nil, box{0, 0, 100, 100}, 0, 0); a.y.log || a.y.Low > -2 || a.y.High < 5 {
		t.Errorf("with a value of 0 the measure has the scale %+v", a.y)
	}
}

// A marker has its curve's colour at the place of its value, in both rows, and the bytes are the same every time.
func TestTradeoffPNG(t *testing.T) {
	var first, second bytes.Buffer
	for _, w := range []*bytes.Buffer{&first, &second} {
		if err := fan().PNG(w); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("the same picture has other bytes")
	}
	img, err := png.Decode(&first)
	if err != nil {
		t.Fatal(err)
	}
	f := fan()
	for row := range f.Costs {
		top := headingRow + float64(row)*(tradeoffAbove+tradeoffHeight+tradeoffBelow) + tradeoffAbove
		a := f.axes(nil, box{tradeoffLeft, top, tradeoffWidth, tradeoffHeight}, row, 0)
		for k, curve := range f.Curves {
			for _, p := range curve.Points {
				at := a.at(p.Costs[row], p.Measures[0].Value)
				r, g, b, _ := img.At(int(2*at.x), int(2*at.y)).RGBA()
				if got := rgb(r>>8<<16 | g>>8<<8 | b>>8); got != newMark(k, 2).ink {
					t.Errorf("row %d: the marker of %s is %06x, want %06x", row, curve.Name, got, newMark(k, 2).ink)
				}
			}
		}
	}
}

func TestTradeoffRefuses(t *testing.T) {
	for want, change := range map[string]func(*Tradeoff){
		"0 measures":                    func(f *Tradeoff) { f.Measures = nil },
		`curve "two" has no points`:     func(f *Tradeoff) { f.Curves[1].Points = nil },
		"has 1 costs and 1 measures":    func(f *Tradeoff) { f.Curves[1].Points[0].Costs = []float64{1} },
		`point 0 of curve "two" is not`: func(f *Tradeoff) { f.Curves[1].Points[0].Measures[0].Value = math.NaN() },
		`point 1 of curve "one" is not`: func(f *Tradeoff) { f.Curves[0].Points[1].Measures[0].Error = -1 },
	} {
		f := fan()
		change(&f)
		if err := f.PNG(&bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
