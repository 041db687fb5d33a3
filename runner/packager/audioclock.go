package packager

const (
	// maxDrift is how far an audio frame's timestamp may differ from the count of samples before the
	// count is set right, in ticks: 40 ms. Less is what timestamps of some encoders waver by.
	maxDrift = int64(videoScale) * 40 / 1000
	// meanDrift is how far timestamps may differ from the count on average, in ticks: 12 ms. Two
	// clocks that are a ten-thousandth apart come so far in two minutes. It is never less than 55 % of
	// a frame, as the count is set right by whole frames.
	meanDrift = int64(videoScale) * 12 / 1000
	// meanFrames is the number of frames, about, that the mean is taken over: 0.7 s at 48 kHz.
	meanFrames = 32
	// lateAudio is how far audio may be behind the video before silence takes its place, in ticks:
	// 500 ms. Audio that turns out to be late and not absent doubles it, up to maxLateAudio.
	lateAudio    = int64(videoScale) / 2
	maxLateAudio = 2 * int64(videoScale)
)

// An audioFrame is an AAC frame with its place: a sample position on its format's timescale.
type audioFrame struct {
	at     int64
	format *audioFormat
	data   []byte
	seq    uint64 // 0 for silence
}

// An audioClock gives audio frames their places. Samples are counted, as timestamps in whole
// milliseconds are too coarse; where the timestamps say that the count has gone wrong, silence is
// put in or frames are left out. Places follow one another without holes from media time 0 on.
type audioClock struct {
	format  *audioFormat
	next    int64 // place of the next frame
	started bool  // a frame has been placed
	absent  bool  // nothing comes: silence keeps up with the video
	adrift  bool  // the count is that of silence, and the next frame is to set it right
	drift   int64 // the mean difference of timestamps from the count, in samples times meanFrames
	late    int64 // how late is absent, in ticks
	stats   *Stats
}

// newAudioClock begins with a format; absent tells that nothing is expected to come.
func newAudioClock(f *audioFormat, absent bool, stats *Stats) audioClock {
	return audioClock{format: f, absent: absent, late: lateAudio, stats: stats}
}

// use changes the format of the frames to come.
func (c *audioClock) use(f *audioFormat) {
	c.next = f.rate.from(c.next, c.format.rate)
	c.format, c.drift = f, 0
}

// place appends to frames the frame whose PTS in media time is pts, and the silence before it, or
// nothing if it comes too late.
func (c *audioClock) place(frames []audioFrame, pts int64, data []byte, seq uint64) []audioFrame {
	at := c.format.rate.from(pts, videoScale)
	drift := at - c.next
	if !c.started {
		if at < 0 {
			return frames
		}
		// Whole frames of silence that end where the first begins.
		c.started, c.next = true, at%c.format.samples
		frames = c.fill(frames, at)
		return c.append(frames, data, seq)
	}
	wasAbsent, limit := c.absent, c.format.rate.from(maxDrift, videoScale)
	c.absent = false
	if wasAbsent && drift < -limit {
		c.late = min(2*c.late, maxLateAudio)
	}
	if c.adrift {
		limit = c.format.samples / 2
	}
	if drift < -limit {
		c.stats.DroppedFrames.Add(1)
		return frames
	}
	if drift > limit {
		frames = c.fill(frames, at)
	}
	if c.adrift || drift > limit {
		c.adrift, c.drift = false, 0
	}
	return c.correct(frames, at, data, seq)
}

// correct appends a frame that would be at at, when the count says almost the same. Where it has not
// for long, as the encoder's clocks of sound and pictures differ, a frame of silence goes before it, or
// it is left out.
func (c *audioClock) correct(frames []audioFrame, at int64, data []byte, seq uint64) []audioFrame {
	limit := max(c.format.rate.from(meanDrift, videoScale), c.format.samples*55/100) * meanFrames
	c.drift += at - c.next - c.drift/meanFrames
	switch {
	case c.drift > limit:
		c.drift -= c.format.samples * meanFrames
		frames = c.silence(frames)
	case c.drift < -limit:
		c.drift += c.format.samples * meanFrames
		c.stats.DroppedFrames.Add(1)
		return frames
	}
	return c.append(frames, data, seq)
}

// keepUp appends silence if audio has been missing for long: as far as the video has come, in media
// time.
func (c *audioClock) keepUp(frames []audioFrame, video int64) []audioFrame {
	missing := video - videoScale.from(c.next, c.format.rate)
	if !c.absent && missing <= c.late {
		return frames
	}
	c.absent, c.adrift, c.started = true, true, true
	for c.format.end(c.next) <= video {
		frames = c.silence(frames)
	}
	return frames
}

// fill appends silence until the next frame would begin at at, or half a frame from it.
func (c *audioClock) fill(frames []audioFrame, at int64) []audioFrame {
	for at-c.next >= (c.format.samples+1)/2 {
		frames = c.silence(frames)
	}
	return frames
}

func (c *audioClock) silence(frames []audioFrame) []audioFrame {
	c.stats.SilentFrames.Add(1)
	return c.append(frames, c.format.silence, 0)
}

func (c *audioClock) append(frames []audioFrame, data []byte, seq uint64) []audioFrame {
	frames = append(frames, audioFrame{at: c.next, format: c.format, data: data, seq: seq})
	c.next += c.format.samples
	return frames
}
