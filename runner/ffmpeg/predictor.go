package ffmpeg

import "time"

// An IDRPredictor tells which source frames become IDRs in one rung, by doing what the filters and
// x264 do: select keeps keyframes and what is far enough from the last frame kept; x264 makes an IDR
// of a keyframe, and of the frame that comes [GOP] frames after the last IDR, forced ones included.
//
// It holds for frames that ffmpeg can decode; a keyframe is an IDR picture, or the recovery point that
// begins an open GOP, as FLV marks them. What comes out of the process is the truth: a frame that is
// broken is missing there, and shifts the count until the next keyframe.
//
// An IDRPredictor belongs to one [Process] and one goroutine.
type IDRPredictor struct {
	decimate bool
	gap      int64 // ticks
	gop      int

	started bool  // a keyframe has been seen
	last    int64 // PTS of the last frame that left, in ticks
	since   int   // frames that left since the last IDR, that one included
}

// NewIDRPredictor returns a predictor for a process started with the same arguments.
func NewIDRPredictor(src Source, o Output, segment time.Duration) *IDRPredictor {
	return &IDRPredictor{decimate: o.Decimate, gap: minGap(o.FPS), gop: GOP(src, o, segment)}
}

// Frame takes the next frame in presentation order, among those that [Process.Write] accepted. It
// tells whether the frame is encoded in this rung at all, and whether it becomes an IDR there.
// Frames in front of the first keyframe never leave.
func (p *IDRPredictor) Frame(pts time.Duration, key bool) (leaves, idr bool) {
	at := Ticks(pts)
	if !key && (!p.started || p.decimate && at-p.last < p.gap) {
		return false, false
	}
	p.started, p.last = true, at
	idr = key || p.since >= p.gop
	if idr {
		p.since = 0
	}
	p.since++
	return true, idr
}
