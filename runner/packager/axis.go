package packager

// maxShift bounds the composition offset of a keyframe that is believed, in ticks: 5 s.
const maxShift = 5 * int64(videoScale)

// An axis gives source frames their place in media time: zero is the PTS of the first keyframe,
// and what comes before it has no place.
//
// A frame's place is its decode time, moved so that a keyframe's place is its PTS. In a steady
// source with B-frames the place of the n-th frame in decode order is then the PTS of the n-th frame
// in presentation order: frames come in the order of their places, evenly, and what must see the
// frames in presentation order (a Predictor) can be told of them as they arrive.
type axis struct {
	started bool
	zero    int64
	shift   int64 // of decode times, as of the last keyframe
	last    int64
}

// place returns a frame's place and its PTS in media time. Places grow strictly. It says false for
// frames before the first keyframe.
func (a *axis) place(s Sample) (t, pts int64, ok bool) {
	if s.Key {
		a.shift = min(max(s.PTS-s.DTS, 0), maxShift)
	}
	if !a.started {
		if !s.Key {
			return 0, 0, false
		}
		a.started, a.zero, a.last = true, s.DTS+a.shift, -1
	}
	t = max(s.DTS+a.shift-a.zero, a.last+1)
	a.last = t
	return t, s.PTS - a.zero, true
}
