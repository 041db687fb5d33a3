package ffmpeg

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// A Source is the video that comes in. Width and Height are the size it is shown at, in square
// pixels; FPS is its frames per second, 0 if nobody knows.
type Source struct {
	Width, Height int
	FPS           float64
}

// An Output is a rung as it is encoded for one source.
type Output struct {
	Rung
	Codec    string // CodecH264 or CodecH265; "" = CodecH264
	Width    int    // even, keeps the source's aspect ratio
	Height   int    // even
	Decimate bool   // frames are left out, because the source has more of them than the rung may have
}

func (o Output) codec() string { return cmp.Or(o.Codec, CodecH264) }

// either is what o's codec asks for.
func (o Output) either(h264, h265 string) string {
	if o.codec() == CodecH265 {
		return h265
	}
	return h264
}

// profile is the profile of an output.
func (o Output) profile() string { return o.either(profileOf(o.Rung), "main") }

// Fit is [Backend.Fit] of Software.
func Fit(rungs []Rung, src Source) []Output { return Software.Fit(rungs, src) }

// Fit returns the rungs that src can feed, highest first (height, then frame rate, then bit rate).
//
// A rung's height is that of its picture's shorter side, whichever way up that stands: of 1080 by 1920
// pixels 720p30 makes 720 by 1280, as many as of 1920 by 1080, and so its bit rate suits both.
//
// It never scales up: a rung taller than the source's shorter side is left out, one of equal height stays.
// A rung with a higher frame rate than the source is encoded at the source's rate, so that 29.97 does for
// 30. Sides are rounded to what b can encode, the shorter one down; a rung whose longer side is too long
// for b is left out. A source without a size, or lower than every rung, gives nothing at all: then the
// caller offers the source itself.
func (b Backend) Fit(rungs []Rung, src Source) []Output {
	if src.Width <= 0 || src.Height <= 0 {
		return nil
	}
	short, long := min(src.Width, src.Height), max(src.Width, src.Height)
	limits := b.limits()
	var out []Output
	for _, r := range rungs {
		s := snap(math.Floor, float64(r.Height), limits.grid)
		l := snap(math.Round, float64(long)*float64(r.Height)/float64(short), limits.grid)
		if r.Height > short || limits.longest > 0 && l > limits.longest {
			continue
		}
		o := Output{Rung: r, Width: l, Height: s, Decimate: src.FPS <= 0 || LeavingRate(src.FPS, r.FPS) < src.FPS}
		if src.Height > src.Width {
			o.Width, o.Height = s, l
		}
		out = append(out, o)
	}
	slices.SortStableFunc(out, func(a, b Output) int {
		return cmp.Or(cmp.Compare(b.Rung.Height, a.Rung.Height), cmp.Compare(b.FPS, a.FPS), cmp.Compare(b.Bitrate, a.Bitrate))
	})
	return out
}

// snap brings a side to a multiple of grid, by round: at least one of it.
func snap(round func(float64) float64, side float64, grid int) int {
	return max(int(round(side/float64(grid))), 1) * grid
}

// minGap is the least distance, in ticks, that select keeps between a frame and the one before it
// when it caps the rate at fps: 0.9 of a frame, as timestamps of RTMP are whole milliseconds.
func minGap(fps int) int64 { return TimeScale * 9 / 10 / int64(fps) }

// LeavingRate is the rate, in frames per second, at which frames of a steady source leave the select
// filter of a rung: the source's, divided by the smallest whole number that takes it to the rung's.
// 60 for 30 gives 30, 50 for 30 gives 25, 59.94 for 30 gives 29.97, 25 for 30 gives 25. As select
// allows a tenth of a frame, a rate up to a tenth above the rung's passes whole. A source of unknown
// rate (0) counts as the rung's.
func LeavingRate(srcFPS float64, rungFPS int) float64 {
	if srcFPS <= 0 {
		return float64(rungFPS)
	}
	// Half a tick less, as in the filter expression: see selectExpr.
	gap := (float64(minGap(rungFPS)) - 0.5) / TimeScale
	return srcFPS / max(math.Ceil(gap*srcFPS), 1)
}

// GOP is the greatest distance of two IDRs of a rung, in frames: as many as fit into segment at the
// rate that really leaves select, rounded down, so that the next IDR is never late. At least 1.
func GOP(src Source, o Output, segment time.Duration) int {
	// A rate computed from timestamps may miss 30 by the last bit; that is no reason to lose a frame.
	const slack = 1e-6
	return max(int(segment.Seconds()*LeavingRate(src.FPS, o.FPS)+slack), 1)
}
