package packager

import "github.com/pharos-live/pharos/internal/hls"

const (
	// measure is how much of a track tells its bit rate, in ticks: 1 s.
	measure = int64(videoScale)

	// What fMP4 adds: moof and mdat with all their headers are 96 bytes a part, and a frame's entry in
	// the trun is 16 bytes, 8 for audio.
	partOverhead       = 96 * 8
	videoFrameOverhead = 16 * 8
	audioFrameOverhead = 8 * 8
)

// A meter measures the bit rate of a track over its first second, as nothing that an encoder says of
// itself can be relied on. It takes frames in decode order.
type meter struct {
	bits        int64
	frames      int64
	first, last int64
}

// add takes the next frame.
func (m *meter) add(dts int64, size int) {
	if m.done() {
		return
	}
	if m.frames == 0 {
		m.first = dts
	}
	m.last = max(m.last, dts)
	if m.done() { // the first frame of the next second
		return
	}
	m.bits += int64(size) * 8
	m.frames++
}

func (m *meter) done() bool { return m.frames > 0 && m.last-m.first >= measure }

// rate is the measured bits and frames a second; false where too little came to tell.
func (m *meter) rate() (bits, frames float64, ok bool) {
	if !m.done() {
		return 0, 0, false
	}
	seconds := float64(m.last-m.first) / float64(measure)
	return float64(m.bits) / seconds, float64(m.frames) / seconds, true
}

// overhead is what a rendition carries besides its frames, in bits a second.
func (c Config) overhead(kind hls.Kind, frameRate float64) int {
	frame := videoFrameOverhead
	if kind == hls.Audio {
		frame = audioFrameOverhead
	}
	return int(partOverhead/c.Part.Seconds() + float64(frame)*frameRate)
}

// rungPeak is the highest bit rate that a run of segments of a rung can have, which is held over a buffer
// of one second: what fills the buffer and what comes in meanwhile, over the shortest run that counts,
// half a target duration (rfc8216bis, 4.4.6.2). Apple's rule 1.29 lets the media exceed what is stated by
// less than a quarter, and a tenth more than the mean is seen all the time.
func (c Config) rungPeak(bitrate int) int {
	run := c.TargetDuration.Seconds() / 2
	return int(float64(bitrate) * max((run+1)/run/1.25, 1.1))
}
