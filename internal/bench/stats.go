package main

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"
)

// quantile is the nearest-rank q-quantile of v: the least value that at least the share q of all
// does not exceed. v stays as it is; without values it is zero.
func quantile[T cmp.Ordered](v []T, q float64) T {
	var zero T
	if len(v) == 0 {
		return zero
	}
	s := slices.Sorted(slices.Values(v))
	rank := int(math.Ceil(q * float64(len(s))))
	return s[min(max(rank, 1), len(s))-1]
}

func median[T cmp.Ordered](v []T) T { return quantile(v, 0.5) }

// spread prints what is usual, what is not, and the worst.
func spread(v []time.Duration) string {
	return fmt.Sprintf("p50 %s, p90 %s, max %s ms", ms(median(v)), ms(quantile(v, 0.9)), ms(quantile(v, 1)))
}

// ms prints d in milliseconds: three figures that mean something.
func ms(d time.Duration) string {
	v := float64(d) / float64(time.Millisecond)
	switch {
	case math.Abs(v) < 10:
		return fmt.Sprintf("%.2f", v)
	case math.Abs(v) < 100:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.0f", v)
}

// ratio is the median of a over the median of b; "–" where b is nothing.
func ratio(a, b []time.Duration) string {
	if median(b) <= 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f", float64(median(a))/float64(median(b)))
}

// pick takes one duration out of each of all.
func pick[T any](all []T, of func(T) time.Duration) []time.Duration {
	v := make([]time.Duration, 0, len(all))
	for _, e := range all {
		v = append(v, of(e))
	}
	return v
}
