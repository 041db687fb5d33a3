package packager

import "github.com/pharos-live/pharos/internal/hls"

// A videoFrame is a frame with its place in media time.
type videoFrame struct {
	t, pts int64
	key    bool // formats may change here
	sync   bool // an IDR
	data   []byte
	init   *section
}

// videoLane is the packaging of one video rendition.
//
//	frames ─▶ waiting ─(cuts known)─▶ samples ─(part full)─▶ outbox
//
// Frames wait only while it is open whether a cut falls on them.
type videoLane struct {
	*builder
	ends    *ends // of all video renditions
	pace    pace
	cuts    []Cut // not yet reached
	waiting []videoFrame
	init    *section // of the frames to come; nil: no format yet
	last    int64    // place of the last frame
}

func newVideoLane(c Config, rendition int, fps float64, e *ends, out *outbox) *videoLane {
	return &videoLane{builder: newBuilder(c, rendition, hls.Video, videoScale, out), ends: e, pace: newPace(fps), last: -1}
}

// push takes the next frame.
func (l *videoLane) push(f videoFrame) {
	f.init = l.init
	l.waiting = append(l.waiting, f)
}

// drain packages the frames for which all cuts are known.
func (l *videoLane) drain(known int64) {
	n := 0
	for ; n < len(l.waiting) && l.waiting[n].t <= known; n++ {
		l.take(l.waiting[n])
	}
	l.waiting = behind(l.waiting, n)
}

func (l *videoLane) take(f videoFrame) {
	if l.builder.init == nil {
		l.builder.init = f.init
	}
	l.last = f.t
	d := min(l.pace.add(f.t), l.target)
	for len(l.cuts) > 0 && l.cuts[0].At-near <= f.t {
		l.cross(d)
		if f.key {
			l.use(f.init)
		}
	}
	l.makeRoom(f.t, d)
	l.add(f.t, f.pts, f.sync, f.data)
	if end := min(max(f.t+d, l.end()), l.base+l.target); l.full(end, d) {
		l.closePart(l.agreed(end))
	}
}

// agreed is the end of the open part as the other renditions have it, if it can be this one's too.
func (l *videoLane) agreed(end int64) int64 {
	if at := l.ends.agree(end); at >= l.end() && at-l.base <= l.target && (at-l.base >= l.floor || end-l.base < l.floor) {
		return at
	}
	return end
}

// cross ends the segment at the next cut and begins another, whose first frame lasts d.
func (l *videoLane) cross(d int64) {
	at := l.ends.agree(l.cuts[0].At)
	if len(l.samples) > 0 {
		l.closePart(min(at, l.base+l.target))
	}
	if at-l.base > d+d/2 { // more than a frame that is late, or missing
		l.addGaps(at)
	}
	l.closeSegment()
	l.begin(l.cuts[0])
	l.cuts = l.cuts[1:]
}

// makeRoom sees to it that a frame at t which lasts d fits into the open part: it closes the part,
// whose last frame then lasts as long as it may, and declares what is still missing a gap.
func (l *videoLane) makeRoom(t, d int64) {
	if len(l.samples) > 0 && t+d > l.base+l.target {
		l.closePart(min(t, l.base+l.target))
	}
	if len(l.samples) == 0 && t+d > l.base+l.target && t > l.base {
		l.addGaps(t)
	}
}

// stall covers the time up to t, in which no frames have come, with gaps as long as a part, so that
// the playlist goes on.
func (l *videoLane) stall(t int64) {
	if l.builder.init == nil {
		return
	}
	for len(l.cuts) > 0 && l.cuts[0].At <= t {
		l.cross(0)
	}
	if len(l.samples) > 0 && t-l.base > l.target {
		l.closePart(l.base + l.target)
	}
	for len(l.samples) == 0 && t-l.base >= l.part {
		l.addGaps(l.base + l.part)
	}
}

// finish closes all. The last frame lasts as long as foreseen.
func (l *videoLane) finish() {
	l.drain(forever)
	if n := len(l.samples); n > 0 {
		l.closePart(l.agreed(min(l.samples[n-1].dts+l.pace.mean(), l.base+l.target)))
	}
	l.closeSegment()
}
