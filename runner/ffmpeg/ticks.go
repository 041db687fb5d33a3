package ffmpeg

import (
	"errors"
	"math"
	"math/bits"
	"time"
)

// TimeScale is the number of ticks in a second. All PTS of this package count them. FLV's
// milliseconds are whole ticks, and so are the frames of 24, 25, 30, 50 and 60 frames per second.
const TimeScale = 90_000

// Ticks converts a time to ticks, rounded to the nearest.
func Ticks(d time.Duration) int64 {
	// A tick is 100000/9 ns. Whole seconds go apart, so that no day overflows.
	s, rest := int64(d/time.Second), int64(d%time.Second)
	return s*TimeScale + roundDiv(rest*9, 100_000)
}

// Duration converts ticks to a time, rounded to the nearest nanosecond; [Ticks] gives them back.
func Duration(ticks int64) time.Duration {
	s, rest := ticks/TimeScale, ticks%TimeScale
	return time.Duration(s)*time.Second + time.Duration(roundDiv(rest*100_000, 9))
}

// roundDiv is a/b to the nearest, for b > 0; halves go away from zero.
func roundDiv(a, b int64) int64 {
	if a < 0 {
		return -((-a + b/2) / b)
	}
	return (a + b/2) / b
}

// A TimeBase is the length of a stream's time unit: Num/Den seconds.
type TimeBase struct{ Num, Den uint32 }

// errTime means that a timestamp does not fit into 63 bits of ticks.
var errTime = errors.New("timestamp out of range")

// ticks converts v units to ticks, rounded to the nearest.
func (t TimeBase) ticks(v uint64) (int64, error) {
	hi, lo := bits.Mul64(v, uint64(t.Num)*TimeScale)
	den := uint64(t.Den)
	lo, carry := bits.Add64(lo, den/2, 0)
	hi += carry
	if den == 0 || hi >= den {
		return 0, errTime
	}
	q, _ := bits.Div64(hi, lo, den)
	if q > math.MaxInt64 {
		return 0, errTime
	}
	return int64(q), nil
}
