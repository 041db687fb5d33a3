package packager_test

import (
	"math"
	"slices"
	"time"
)

// A frame is one to be fed: milliseconds are what RTMP has.
type frame struct {
	dts, pts int64 // ms
	key      bool
}

// steady is the frames of an encoder at fps for a time, with a keyframe every gop, timestamps cut to
// milliseconds.
func steady(fps float64, gop, length time.Duration) []frame {
	every := max(int(math.Round(gop.Seconds()*fps)), 1)
	var out []frame
	for i := range int(math.Ceil(length.Seconds() * fps)) {
		ms := int64(float64(i) * 1000 / fps)
		out = append(out, frame{dts: ms, pts: ms, key: i%every == 0})
	}
	return out
}

// withB turns frames without B-frames into I P B B order: every PTS is two frames late, and of each
// three frames after a keyframe the last is decoded first.
func withB(in []frame) []frame {
	out := slices.Clone(in)
	delay := in[2].dts - in[0].dts
	for i := 0; i < len(in); {
		end := i + 1
		for end < len(in) && !in[end].key {
			end++
		}
		out[i].pts = in[i].pts + delay
		for j := i + 1; j < end; j += 3 {
			n := min(3, end-j)
			out[j].pts = in[j+n-1].pts + delay
			for k := 1; k < n; k++ {
				out[j+k].pts = in[j+k-1].pts + delay
			}
		}
		i = end
	}
	return out
}

// counter is a Predictor: a frame in every, an IDR at keyframes and every gop frames of its own.
type counter struct {
	every, gop int
	n, since   int
}

func (c *counter) Frame(_ time.Duration, key bool) (leaves, idr bool) {
	if !key && c.n%c.every != c.every-1 {
		c.n++
		return false, false
	}
	c.n = 0
	if c.every == 1 {
		c.n = 1
	}
	if idr = key || c.since >= c.gop; idr {
		c.since = 0
	}
	c.since++
	return true, idr
}
