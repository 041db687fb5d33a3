package packager

import "github.com/pharos-live/pharos/internal/hls"

// audioLane is the packaging of the audio rendition. Its frames wait until all cuts up to their
// middle are known, so that the cut falls between the frames nearest to it.
type audioLane struct {
	*builder
	clock   audioClock
	format  *audioFormat // of the open segment
	cuts    []Cut
	waiting []audioFrame
	started bool // a frame has been packaged
}

func newAudioLane(c Config, rendition int, f *audioFormat, absent bool, out *outbox) *audioLane {
	l := &audioLane{
		builder: newBuilder(c, rendition, hls.Audio, f.rate, out),
		clock:   newAudioClock(f, absent, out.stats),
		format:  f,
	}
	l.init = f.init
	return l
}

// push takes the next frame, whose PTS in media time is pts.
func (l *audioLane) push(pts int64, data []byte, seq uint64) {
	l.waiting = l.clock.place(l.waiting, pts, data, seq)
}

// keepUp puts silence where audio is missing, up to the media time of the video.
func (l *audioLane) keepUp(video int64) { l.waiting = l.clock.keepUp(l.waiting, video) }

// drain packages the frames for which all cuts are known; note is told of each.
func (l *audioLane) drain(known int64, note func(t int64, seq uint64)) {
	n := 0
	for ; n < len(l.waiting); n++ {
		f := l.waiting[n]
		middle := f.format.middle(f.at)
		if middle > known {
			break
		}
		l.take(f, middle)
		if f.seq > 0 {
			note(middle, f.seq)
		}
	}
	l.waiting = behind(l.waiting, n)
}

func (l *audioLane) take(f audioFrame, middle int64) {
	if !l.started {
		l.started, l.base = true, f.at
	}
	for len(l.cuts) > 0 && l.cuts[0].At <= middle {
		l.cross(l.cuts[0])
		l.cuts = l.cuts[1:]
	}
	if f.format != l.format {
		if l.segment.count > 0 || len(l.samples) > 0 || !l.segment.discontinuity {
			// In the middle of a segment nobody could play it.
			l.out.stats.DroppedFrames.Add(1)
			l.pad(f.format.end(f.at))
			return
		}
		l.format = f.format
		l.rescale(f.format.rate)
		l.base = max(l.base, f.at)
		l.segment.start = l.base
		l.use(f.format.init)
	}
	l.frame(f.data)
}

// frame appends a frame in the format in force.
func (l *audioLane) frame(data []byte) {
	at := l.base + int64(len(l.samples))*l.format.samples
	l.add(at, at, true, data)
	if end := at + l.format.samples; l.full(end, l.format.samples) {
		l.closePart(end)
	}
}

// cross ends the segment at a cut and begins another.
func (l *audioLane) cross(c Cut) {
	if n := int64(len(l.samples)); n > 0 {
		l.closePart(l.base + n*l.format.samples)
	}
	l.closeSegment()
	l.begin(c)
}

// pad appends silence in the format in force up to a media time in ticks of 90 kHz.
func (l *audioLane) pad(until int64) {
	for l.format.middle(l.base+int64(len(l.samples))*l.format.samples) <= until {
		l.out.stats.SilentFrames.Add(1)
		l.frame(l.format.silence)
	}
}

// finish closes all.
func (l *audioLane) finish(note func(t int64, seq uint64)) {
	l.drain(forever, note)
	if n := int64(len(l.samples)); n > 0 {
		l.closePart(l.base + n*l.format.samples)
	}
	l.closeSegment()
}
