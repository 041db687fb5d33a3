package packager

import (
	"errors"
	"fmt"
	"time"
)

// ErrJump is what Source and Audio return for a frame that comes more than maxHole of media time after
// all that came before. Whoever stamps the frames sees to it that time does not jump; where it does all
// the same, hours of gaps are of use to nobody.
var ErrJump = errors.New("the timestamps jump")

const (
	// maxShift bounds the composition offset of a keyframe that is believed, in ticks: 5 s.
	maxShift = 5 * int64(videoScale)
	// maxHole is the longest hole that is covered with gaps or silence, in ticks: 2 minutes. A publish
	// that sends nothing for so long has ended before.
	maxHole = 120 * int64(videoScale)
)

// jump is the error for a frame at t when time has come as far as known.
func jump(t, known int64) error {
	if t-known <= maxHole {
		return nil
	}
	return fmt.Errorf("%w by %v", ErrJump, videoScale.duration(t-known).Round(time.Second))
}

// An axis gives source frames their place in media time: zero is the PTS of the first keyframe,
// and what comes before it has no place.
//
// A frame's place is its decode time, moved so that a keyframe's place is its PTS. In a steady
// source with B-frames the place of the n-th frame in decode order is then the PTS of the n-th frame
// in presentation order: frames come in the order of their places, evenly, and what must see the
// frames in presentation order (a Predictor) can be told of them as they arrive.
//
// An open group of pictures begins with a keyframe that some pictures after it in decode order are
// shown before: they are leading. Such a keyframe's place is its PTS all the same, and the leading
// pictures' follow it at once, as their own is gone by.
type axis struct {
	started bool
	zero    int64
	shift   int64 // of decode times, as of the last IDR
	last    int64
	key     int64 // PTS of the last keyframe
}

// A place is where a source frame stands in media time.
type place struct {
	t, pts  int64
	leading bool // shown before the keyframe that it comes after
}

// place returns a frame's place. Places grow strictly. It says false for frames before the first
// keyframe, and for those that are shown before it.
func (a *axis) place(s Sample) (p place, ok bool) {
	if s.Key && (!s.Open || !a.started) {
		a.shift = min(max(s.PTS-s.DTS, 0), maxShift)
	}
	if !a.started {
		if !s.Key {
			return place{}, false
		}
		a.started, a.zero, a.last = true, s.DTS+a.shift, -1
	}
	p = place{t: s.DTS + a.shift - a.zero, pts: s.PTS - a.zero}
	switch {
	case s.Key:
		a.key = p.pts
		if s.Open {
			p.t = p.pts
		}
	case p.pts < a.key:
		p.leading = true
	}
	if p.leading && p.pts < 0 {
		return place{}, false
	}
	p.t = max(p.t, a.last+1)
	a.last = p.t
	return p, true
}
