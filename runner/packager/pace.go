package packager

const (
	// paceFrames is how many intervals a mean is taken over: half a second of 60 fps. Over so many
	// the rounding of timestamps to milliseconds is gone.
	paceFrames = 32
	// unknownRate is the frame rate, in frames per second, before anything is known.
	unknownRate = 30
	// outlier is how many times the mean an interval must be to count as a hole, if it is alone.
	outlier = 4
)

// pace foresees how long a frame lasts: the mean of the last intervals between frames. A lone hole
// does not change it.
type pace struct {
	intervals [paceFrames]int64
	count     int // of all intervals ever taken
	sum       int64
	hint      int64 // before there is an interval
	last      int64
	started   bool
	skipped   bool // the interval before was a hole
}

// newPace is a pace that begins with fps frames per second; 0 = unknown.
func newPace(fps float64) pace {
	if fps <= 0 {
		fps = unknownRate
	}
	return pace{hint: max(int64(float64(videoScale)/fps), 1)}
}

// add takes the time of the next frame and returns the frame's foreseen duration.
func (p *pace) add(t int64) int64 {
	if !p.started {
		p.started, p.last = true, t
		return p.hint
	}
	interval := t - p.last
	p.last = t
	if interval > outlier*p.mean() && !p.skipped && p.count > 0 {
		p.skipped = true
		return p.mean()
	}
	p.skipped = false
	i := p.count % paceFrames
	p.sum += interval - p.intervals[i]
	p.intervals[i] = interval
	p.count++
	return p.mean()
}

func (p *pace) mean() int64 {
	n := min(p.count, paceFrames)
	if n == 0 {
		return p.hint
	}
	return max(roundDiv(p.sum, int64(n)), 1)
}
