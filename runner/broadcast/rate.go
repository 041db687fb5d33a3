package broadcast

import (
	"math"

	broadcastv1 "github.com/pharos-live/pharos/proto/pharos/broadcast/v1"
	"github.com/pharos-live/pharos/runner/ffmpeg"
)

const (
	// enoughPictures is how many of them tell the frame rate.
	enoughPictures = 12
	// fewPictures is how many make it worth measuring at all.
	fewPictures = 4
	// usualRate stands in where nothing tells the frame rate.
	usualRate = 30
	// greatestRate is the most that pictures are believed to show.
	greatestRate = 1000
	// maxReorder is the most that H.264 allows (max_num_reorder_frames).
	maxReorder = 16

	// wrongRate is how far what the SPS says may be from what the pictures
	// show, relatively, before it counts as wrong. A dozen of pictures in whole
	// milliseconds are far more exact; a source may be uneven at its start.
	wrongRate = 0.15
	// sameRate is how far a measured rate may be from a usual one and be that.
	sameRate = 0.02
)

// rate is the frame rate that the ladder is made for: what the SPS says, unless
// the pictures tell something else.
func (t *tracks) rate() float64 {
	told, shown := t.video.FPS, t.measureRate()
	switch {
	case shown == 0 && told > 0:
		return told
	case shown == 0:
		return usualRate
	case told > 0 && math.Abs(told-shown) <= wrongRate*shown:
		return told
	}
	for _, usual := range []float64{15, 24, 25, 30, 48, 50, 60, 90, 120} {
		if math.Abs(usual-shown) <= sameRate*usual {
			return usual
		}
	}
	return shown
}

// measureRate is the frame rate that the pictures' decode times show; 0 where
// they do not, as when they came in one lump.
func (t *tracks) measureRate() float64 {
	var first, last int64
	n := 0
	for _, f := range t.head {
		if f.GetKind() != broadcastv1.Kind_KIND_VIDEO || f.GetConfig() {
			continue
		}
		if n == 0 {
			first = f.GetDts()
		}
		last = f.GetDts()
		n++
	}
	if n < fewPictures || last <= first {
		return 0
	}
	rate := float64(n-1) * ffmpeg.TimeScale / float64(last-first)
	if rate > greatestRate {
		return 0
	}
	return rate
}
