package packager

import "time"

// A timescale is the number of ticks in a second of a track.
type timescale int64

// videoScale is the timescale of all video, and of the source's clock.
const videoScale timescale = 90_000

// duration converts ticks to a time, rounded to the nearest nanosecond.
func (s timescale) duration(ticks int64) time.Duration {
	whole, rest := ticks/int64(s), ticks%int64(s)
	return time.Duration(whole)*time.Second + time.Duration(roundDiv(rest*int64(time.Second), int64(s)))
}

// ticks converts a time to ticks, rounded down: a bound in ticks never exceeds the bound in time.
func (s timescale) ticks(d time.Duration) int64 {
	whole, rest := int64(d/time.Second), int64(d%time.Second)
	return whole*int64(s) + rest*int64(s)/int64(time.Second)
}

// from converts ticks of another timescale, rounded to the nearest. It holds for 190 years at
// 96 kHz.
func (s timescale) from(ticks int64, other timescale) int64 {
	if s == other {
		return ticks
	}
	whole, rest := ticks/int64(other), ticks%int64(other)
	return whole*int64(s) + roundDiv(rest*int64(s), int64(other))
}

// roundDiv is a/b to the nearest, for b > 0; halves go away from zero.
func roundDiv(a, b int64) int64 {
	if a < 0 {
		return -((-a + b/2) / b)
	}
	return (a + b/2) / b
}
