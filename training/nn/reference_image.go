package nn

import "math"

// image returns one channel of one row of a tensor of images.
func (t tensor) image(row, channel int) []float64 {
	size := t.shape[2] * t.shape[3]
	return t.data[(row*t.shape[1]+channel)*size:][:size]
}

// eachImage calls do for every channel of every row of t.
func (t tensor) eachImage(do func(row, channel int, image []float64)) {
	for row := range t.shape[0] {
		for channel := range t.shape[1] {
			do(row, channel, t.image(row, channel))
		}
	}
}

// under calls do for the places of a height×width image below the window whose first element is at (y, x) of the padded
// image. i counts the elements of the window.
func (w Window) under(y, x, height, width int, do func(i, place int)) {
	rows, above := w.height()
	for i := range rows * w.Size {
		row, column := y-above+i/w.Size*w.Dilation, x-w.Pad+i%w.Size*w.Dilation
		if row >= 0 && row < height && column >= 0 && column < width {
			do(i, row*width+column)
		}
	}
}

// slide calls do for every place of t's images, with the position of its window in the padded input.
func (t tensor) slide(w Window, do func(place, y, x int)) {
	for place := range t.shape[2] * t.shape[3] {
		do(place, place/t.shape[3]*w.Stride, place%t.shape[3]*w.Stride)
	}
}

func (t tensor) conv(w Window, in []tensor) {
	x, weight := in[0], in[1]
	t.eachImage(func(row, out int, image []float64) {
		t.slide(w, func(place, y, column int) {
			if len(in) > 2 {
				image[place] = in[2].data[out]
			}
			for channel := range x.shape[1] {
				kernel, source := weight.image(out, channel), x.image(row, channel)
				w.under(y, column, x.shape[2], x.shape[3],
					func(i, from int) { image[place] += kernel[i] * source[from] })
			}
		})
	})
}

// filter convolves each channel with the same kernel.
func (t tensor) filter(w Window, kernel []float64, x tensor) {
	t.eachImage(func(row, channel int, image []float64) {
		source := x.image(row, channel)
		t.slide(w, func(place, y, column int) {
			w.under(y, column, x.shape[2], x.shape[3], func(i, from int) { image[place] += kernel[i] * source[from] })
		})
	})
}

// convTranspose scatters where convolution gathers.
func (t tensor) convTranspose(w Window, x, weight, bias tensor) {
	t.eachImage(func(row, out int, image []float64) {
		for place := range image {
			image[place] = bias.data[out]
		}
		for channel := range x.shape[1] {
			kernel, source := weight.image(channel, out), x.image(row, channel)
			x.slide(w, func(from, y, column int) {
				w.under(y, column, t.shape[2], t.shape[3],
					func(i, place int) { image[place] += kernel[i] * source[from] })
			})
		}
	})
}

func (t tensor) meanPool(w Window, x tensor) {
	t.eachImage(func(row, channel int, image []float64) {
		source := x.image(row, channel)
		t.slide(w, func(place, y, column int) {
			w.under(y, column, x.shape[2], x.shape[3],
				func(_, from int) { image[place] += source[from] / float64(w.Size*w.Size) })
		})
	})
}

func (t tensor) maxPool(w Window, x tensor) {
	t.eachImage(func(row, channel int, image []float64) {
		source := x.image(row, channel)
		t.slide(w, func(place, y, column int) {
			image[place] = math.Inf(-1)
			w.under(y, column, x.shape[2], x.shape[3],
				func(_, from int) { image[place] = max(image[place], source[from]) })
		})
	})
}

func (t tensor) upsample(factor int, x tensor) {
	t.eachImage(func(row, channel int, image []float64) {
		source := x.image(row, channel)
		for place := range image {
			image[place] = source[place/t.shape[3]/factor*x.shape[3]+place%t.shape[3]/factor]
		}
	})
}

// resize interpolates between the four neighbours of each place.
func (t tensor) resize(x tensor) {
	t.eachImage(func(row, channel int, image []float64) {
		source, width := x.image(row, channel), x.shape[3]
		for place := range image {
			top, bottom, down := between(place/t.shape[3], t.shape[2], x.shape[2])
			left, right, over := between(place%t.shape[3], t.shape[3], width)
			upper := source[top*width+left]*(1-over) + source[top*width+right]*over
			lower := source[bottom*width+left]*(1-over) + source[bottom*width+right]*over
			image[place] = upper*(1-down) + lower*down
		}
	})
}

// between returns the position of place i of an axis of size n on an axis of size m with the same ends. first and
// second are the places around it, and share is its distance from first.
func between(i, n, m int) (first, second int, share float64) {
	if n == 1 {
		return 0, 0, 0
	}
	at := float64(i) * float64(m-1) / float64(n-1)
	first = min(int(at), m-1)
	return first, min(first+1, m-1), at - float64(first)
}

// blocks calls do with the place of each element in a tensor of images and its place in the result of OpSpaceToDepth.
func (t tensor) blocks(size int, do func(space, depth int)) {
	channels, height, width := t.shape[1], t.shape[2], t.shape[3]
	for space := range t.data {
		x, y := space%width, space/width%height
		channel, row := space/(width*height)%channels, space/(width*height*channels)
		deep := (y%size*size+x%size)*channels + channel
		do(space, ((row*size*size*channels+deep)*(height/size)+y/size)*(width/size)+x/size)
	}
}

// moments returns the mean and the biased variance.
func moments(values []float64) (mean, variance float64) {
	for _, v := range values {
		mean += v / float64(len(values))
	}
	for _, v := range values {
		variance += (v - mean) * (v - mean) / float64(len(values))
	}
	return mean, variance
}

// instanceNorm normalizes each run of elements behind the first two axes.
func (t tensor) instanceNorm(epsilon float64, x tensor) {
	run := len(x.data) / (x.shape[0] * x.shape[1])
	for at := 0; at < len(x.data); at += run {
		mean, variance := moments(x.data[at : at+run])
		for i, v := range x.data[at : at+run] {
			t.data[at+i] = (v - mean) / math.Sqrt(variance+epsilon)
		}
	}
}
