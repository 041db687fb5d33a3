package packager

import "time"

const (
	// patience is how far audio may run ahead before the video counts as stalled, in ticks: 1 s.
	patience = int64(videoScale)
	// hold is the longest that frames wait, in ticks, for the keyframe that would make a better cut
	// than the last IDR before it: 150 ms.
	hold = int64(videoScale) * 150 / 1000
	// near is how far the timestamps of one frame may differ between renditions, in ticks: 3 ms.
	near = int64(videoScale) * 3 / 1000
)

// A Predictor tells which source frames become IDRs in a rung. It is given all frames from the first
// keyframe on, in presentation order, with times that are true to a millisecond or two.
type Predictor interface {
	// Frame takes the next frame. It tells whether the frame is in the rung at all, and whether it
	// is an IDR there.
	Frame(pts time.Duration, key bool) (leaves, idr bool)
}

// A Cut is the time at which, in all renditions, a segment ends and the next begins.
type Cut struct {
	Number        uint64 // of the segment that begins here: counted from 0, and so cut 0 is at media time 0
	At            int64  // media time, in ticks of 90 kHz
	Key           bool   // at a source keyframe
	Discontinuity bool   // formats change here
}

// A Cutter decides where segments end. It is a pure function of the source's frames, so that whoever
// sees the same frames cuts at the same times:
//
//   - at the first source keyframe at or after Segment;
//   - in a longer GOP at the last IDR of the first rung within TargetDuration (without rungs, at the
//     last frame), and then again at the next source keyframe;
//   - at TargetDuration, where no IDR and no frame comes in time.
//
// An IDR is the last in time if the rungs' usual distance to the next is too much. Only shortly before
// the target duration a keyframe is waited for instead; one that is far away comes as a surprise, and
// makes a short segment.
//
// Durations are compared as generously as rates of 1000/1001 and timestamps in whole milliseconds
// ask: a GOP of 4.004 s is one of 4 s.
//
// A Cutter belongs to one goroutine.
type Cutter struct {
	segment    int64
	target     int64
	slack      int64
	predictors []Predictor
	stats      *Stats

	video   bool // false: audio only, cut by time alone
	started bool
	pace    pace
	number  uint64
	start   int64 // of the segment
	forced  bool  // it did not begin at a keyframe
	renew   bool  // the next keyframe is a cut and a discontinuity
	known   int64 // every cut up to here has been made, or there is a candidate

	candidate int64 // the IDR to cut at unless a keyframe comes; none: -1
	even      bool  // all rungs have it
	lastKey   int64
	lastIDR   int64
	stride    int64 // distance of the rungs' IDRs
}

// NewCutter cuts a source with video whose frame rate is about fps (0 = unknown) and whose rungs
// have IDRs as the predictors say; stats may be nil.
func NewCutter(c Config, fps float64, predictors []Predictor, stats *Stats) *Cutter {
	cu := newCutter(c, stats)
	cu.video, cu.pace, cu.predictors = true, newPace(fps), predictors
	return cu
}

// NewAudioCutter cuts a source without video: every Segment, whatever comes.
func NewAudioCutter(c Config, stats *Stats) *Cutter { return newCutter(c, stats) }

func newCutter(c Config, stats *Stats) *Cutter {
	if stats == nil {
		stats = &Stats{}
	}
	return &Cutter{
		segment:   videoScale.ticks(c.Segment),
		target:    videoScale.ticks(c.TargetDuration),
		slack:     videoScale.ticks(c.TargetDuration/1000 + 2*time.Millisecond),
		stats:     stats,
		known:     -1,
		candidate: -1,
		stride:    videoScale.ticks(c.Segment),
	}
}

// Known is the media time up to which, inclusive, all cuts have been returned.
func (c *Cutter) Known() int64 {
	if c.candidate >= 0 {
		return c.candidate - near - 1
	}
	return c.known
}

// Renew makes the next source keyframe a cut and a discontinuity; without video, the next audio
// frame.
func (c *Cutter) Renew() { c.renew = true }

// Video takes the next source frame: its place t in media time, growing. The first must be a
// keyframe at 0. encoded says whether the predictors are to know of it: not of what the rungs' encoder
// left out, nor of what is shown before the last keyframe. It returns the cuts that are now decided,
// oldest first.
func (c *Cutter) Video(t int64, key, encoded bool) []Cut {
	var idr, even bool
	if encoded {
		idr, even = c.predict(t, key)
	}
	interval := c.pace.add(t)
	c.known = max(c.known, t)
	if !c.started {
		c.started, c.lastKey, c.lastIDR = true, t, t
		return []Cut{c.cut(t, true)}
	}
	cuts := c.overdue(t)
	if key {
		cuts = append(cuts, c.keyframe(t, interval, encoded)...)
	} else {
		cuts = append(cuts, c.frame(t, interval, idr, even)...)
	}
	return cuts
}

// predict asks every rung, as each must see all frames. idr tells of the first, even of all.
func (c *Cutter) predict(t int64, key bool) (idr, even bool) {
	even = true
	for i, p := range c.predictors {
		_, is := p.Frame(videoScale.duration(t), key)
		if i == 0 {
			idr = is
		}
		even = even && is
	}
	return idr, even
}

// overdue makes the cuts that should have been made before t.
func (c *Cutter) overdue(t int64) []Cut {
	var cuts []Cut
	if c.candidate >= 0 && t-c.start > c.target+c.slack {
		cuts = append(cuts, c.cutCandidate())
	}
	for t-c.start > c.target+c.slack { // no frame came in time
		c.stats.LateCuts.Add(1)
		cuts = append(cuts, c.cut(c.start+c.target, false))
	}
	return cuts
}

func (c *Cutter) keyframe(t, interval int64, encoded bool) []Cut {
	distance := t - c.lastKey
	c.lastKey = t
	if encoded {
		c.lastIDR = t
	}
	switch {
	case t <= c.start: // a stall made the cut already
		return nil
	case c.renew || c.forced || t-c.start >= c.segment-c.slack:
		return []Cut{c.cut(t, true)}
	}
	// Too early to cut, but an IDR as good as any, and perhaps the last within the target duration.
	return c.consider(t, interval, min(distance, c.stride), true)
}

func (c *Cutter) frame(t, interval int64, idr, even bool) []Cut {
	if idr {
		c.stride = t - c.lastIDR
		c.lastIDR = t
		if cuts := c.consider(t, interval, c.stride, even); cuts != nil {
			return cuts
		}
	}
	if t <= c.start || t+interval-c.start <= c.target+c.slack {
		return nil
	}
	// The next frame comes too late: what is to be cut in this segment is cut now.
	if c.candidate >= 0 {
		return []Cut{c.cutCandidate()}
	}
	if len(c.predictors) > 0 {
		c.stats.LateCuts.Add(1)
	}
	return []Cut{c.cut(t, false)}
}

// consider looks at an IDR at t that is not a cut by itself. If the next, stride later, would be too
// late, it is the one: at once, or when no keyframe comes in what little is left until the target
// duration.
func (c *Cutter) consider(t, interval, stride int64, even bool) []Cut {
	left := c.start + c.target + c.slack - t
	if t <= c.start || stride <= left {
		return nil
	}
	c.candidate, c.even = t, even
	if left > hold || interval > left {
		return []Cut{c.cutCandidate()}
	}
	return nil
}

func (c *Cutter) cutCandidate() Cut {
	if !c.even {
		c.stats.UnevenCuts.Add(1)
	}
	return c.cut(c.candidate, c.candidate == c.lastKey)
}

func (c *Cutter) cut(at int64, key bool) Cut {
	cut := Cut{Number: c.number, At: at, Key: key, Discontinuity: c.renew && key}
	if cut.Discontinuity {
		c.renew = false
	}
	if !key {
		c.stats.ForcedCuts.Add(1)
	}
	c.number++
	c.start, c.forced, c.candidate = at, !key, -1
	return cut
}

// Audio takes the media time t of an audio frame, and so moves the clock where there is no video to
// do it. With video, that is when the video is more than a second behind: its segments then end at
// the target duration. Without, t is the middle of the frame, and cuts are every Segment.
func (c *Cutter) Audio(t int64) []Cut {
	if !c.video {
		return c.audioOnly(t)
	}
	t -= patience
	if !c.started || t <= c.known {
		return nil
	}
	c.known = t
	var cuts []Cut
	if c.candidate >= 0 {
		cuts = append(cuts, c.cutCandidate())
	}
	for c.start+c.target <= t {
		c.stats.LateCuts.Add(1)
		cuts = append(cuts, c.cut(c.start+c.target, false))
	}
	return cuts
}

func (c *Cutter) audioOnly(t int64) []Cut {
	var cuts []Cut
	if !c.started {
		c.started = true
		cuts = append(cuts, c.cut(0, true))
	}
	for c.start+c.segment <= t {
		cuts = append(cuts, c.cut(c.start+c.segment, true))
	}
	if c.renew && t > c.start {
		cuts = append(cuts, c.cut(t, true))
	}
	c.known = max(c.known, t)
	return cuts
}

// End decides what is undecided: nothing more is cut.
func (c *Cutter) End() {
	c.candidate = -1
	c.known = forever
}

// forever is later than any media time, and may be added to.
const forever = int64(1) << 60
