package robustness

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// Quantile returns the smallest of the values that at least a share q of them does not exceed; 0 if there are none.
func Quantile(values []time.Duration, q float64) time.Duration {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[max(0, int(math.Ceil(q*float64(len(sorted))))-1)]
}

// Spread is the usual description of times: their median, 99th percentile and maximum.
func Spread(values []time.Duration) string {
	round := func(q float64) time.Duration { return Quantile(values, q).Round(100 * time.Microsecond) }
	return fmt.Sprintf("p50 %v, p99 %v, max %v", round(0.5), round(0.99), round(1))
}

// Trend is the straight line through measurements at even intervals.
type Trend struct {
	Mean  float64
	Slope float64 // change between two measurements
	Error float64 // standard error of Slope
}

// TrendOf fits a line by least squares. Neighbouring measurements resemble each other, as memory is freed now and then
// only. So the error comes from the means of blocks of neighbours, which are nearly independent. It is infinite for
// fewer measurements than blocks.
func TrendOf(values []float64) Trend {
	const blocks = 12
	if len(values) < blocks {
		return Trend{Mean: mean(values), Error: math.Inf(1)}
	}
	size := len(values) / blocks
	var means [blocks]float64
	for i := range means {
		means[i] = mean(values[i*size : (i+1)*size])
	}
	middle, level, spread, slope := float64(blocks-1)/2, mean(means[:]), 0.0, 0.0
	for i, m := range means {
		d := float64(i) - middle
		spread += d * d
		slope += d * (m - level)
	}
	slope /= spread
	residual := 0.0
	for i, m := range means {
		r := m - level - slope*(float64(i)-middle)
		residual += r * r
	}
	return Trend{Mean: level, Slope: slope / float64(size),
		Error: math.Sqrt(residual/(blocks-2)/spread) / float64(size)}
}

func mean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(max(1, len(values)))
}
