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

// Fit returns the rungs that src can feed, highest first (height, then frame rate, then bit rate).
//
// It never scales up: a rung taller than the source is left out, one of equal height stays. A rung
// with a higher frame rate than the source is encoded at the source's rate, so that 29.97 does for 30.
// For portrait video the height counts as it is. A source without a size, or lower than every rung,
// gives nothing at all: then the caller offers the source itself.
func Fit(rungs []Rung, src Source) []Output {
	if src.Width <= 0 || src.Height <= 0 {
		return nil
	}
	var out []Output
	for _, r := range rungs {
		if r.Height > src.Height {
			continue
		}
		out = append(out, Output{
			Rung:     r,
			Width:    even(math.Round(float64(src.Width) * float64(r.Height) / float64(src.Height) / 2)),
			Height:   even(math.Floor(float64(r.Height) / 2)),
			Decimate: src.FPS <= 0 || LeavingRate(src.FPS, r.FPS) < src.FPS,
		})
	}
	slices.SortStableFunc(out, func(a, b Output) int {
		return cmp.Or(cmp.Compare(b.Rung.Height, a.Rung.Height), cmp.Compare(b.FPS, a.FPS), cmp.Compare(b.Bitrate, a.Bitrate))
	})
	return out
}

// even doubles half a dimension; 4:2:0 video has no odd one, and none below 2.
func even(half float64) int { return 2 * max(int(half), 1) }

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
