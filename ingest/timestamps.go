package ingest

import "time"

// Bounds of what is believed of an encoder's clock, in ms.
const (
	ticksPerMS = 90 // of the 90 kHz clock
	// headroom is where a publish begins when its encoder's clock does not begin at 0, so that the
	// other track may begin a little earlier.
	headroom = 1_000
	// maxBack is the largest step back of one track that is an encoder's inaccuracy: the frame then
	// comes at the time of the one before it.
	maxBack = 250
	// maxAhead is how much more than the time that really passed timestamps may advance.
	maxAhead = 2_000
	// maxStep is the longest hole that is believed at all. A longer silence would have ended the
	// connection (Options.Idle).
	maxStep = 30_000
	// maxSkew is how far the tracks may be apart, as far as they are of one clock.
	maxSkew = 3_000
	// minSilence is the shortest time without any frame that counts as one in which the encoder sent
	// nothing, rather than as one in which the network was slow.
	minSilence = 500
)

// A clock turns the 32-bit millisecond timestamps of RTMP, which wrap after 49.7 days, into 90 kHz
// ticks since the publish began. What it makes never goes back within a track, and never runs away
// from the time that really passes: dates stay true.
//
//	step back by up to maxBack                 none: the frame comes at the time of the one before
//	hole, as long as the time that passed      a hole
//	any other step back or forward             the encoder's clock was set anew: time goes on
//	                                           where it stood, or after the silence that there was
//
// The tracks share the encoder's clock, and so they stay in time with each other when it is set
// anew: the track that comes to it second takes over what the first has made of it. A track that
// jumps alone goes on where it stood, until it comes back to the other's clock.
type clock struct {
	began   time.Time // when the first frame came
	arrived time.Time // when the last frame came
	raw     int64     // the last timestamp, unwrapped
	lead    int64     // the most that time was ever ahead of the time that had passed
	tracks  [Audio + 1]trackClock
	resets  int // how often a track's clock was set anew
}

// trackClock is how one track reads the encoder's clock; all in ms.
type trackClock struct {
	started bool
	offset  int64 // from timestamps to time since the publish began
	now     int64 // time of the last frame
	step    int64 // between the last two frames
}

// at returns the decode time of a frame that comes now.
func (c *clock) at(kind Kind, timestamp uint32) int64 {
	now := time.Now()
	if c.began.IsZero() {
		c.begin(now, timestamp)
	}
	c.raw += int64(int32(timestamp - uint32(c.raw))) // both wrap, which is the point
	t, elapsed := &c.tracks[kind], now.Sub(c.began).Milliseconds()
	if !c.follow(t, c.other(kind), elapsed) {
		c.resets++
		t.offset = max(t.now+t.step, c.latest()) + silence(now.Sub(c.arrived)) - c.raw
	}
	at := max(c.raw+t.offset, t.now, 0)
	if t.started {
		t.step = min(at-t.now, maxAhead)
	}
	t.started, t.now, c.arrived = true, at, now
	c.lead = max(c.lead, at-elapsed)
	return at * ticksPerMS
}

// begin starts both tracks with one clock.
func (c *clock) begin(now time.Time, timestamp uint32) {
	c.began, c.arrived, c.raw = now, now, int64(timestamp)
	for i := range c.tracks {
		c.tracks[i].offset = min(c.raw, headroom) - c.raw
	}
}

func (c *clock) other(kind Kind) *trackClock {
	if kind == Audio {
		return &c.tracks[Video]
	}
	return &c.tracks[Audio]
}

// latest is how far either track has come.
func (c *clock) latest() int64 { return max(c.tracks[Video].now, c.tracks[Audio].now) }

// follow says whether t's last timestamp can be believed, as t has read the clock so far or as the
// other track does, which t then takes over.
func (c *clock) follow(t, other *trackClock, elapsed int64) bool {
	if !t.started && other.started {
		t.offset = other.offset
	}
	shared := c.raw + other.offset
	if t.offset != other.offset && shared >= t.now && shared <= t.now+maxBack {
		t.offset = other.offset // back in time with the other
		return true
	}
	if c.believable(t, c.raw+t.offset, maxBack, elapsed) {
		return true
	}
	if other.started && t.offset != other.offset && c.believable(t, shared, maxSkew, elapsed) {
		t.offset = other.offset
		return true
	}
	return false
}

// believable says whether a frame of t can be at a time, where a step back by back is none.
func (c *clock) believable(t *trackClock, at, back, elapsed int64) bool {
	latest := c.latest()
	earliest := t.now - back
	if !t.started {
		earliest = latest - maxSkew
	}
	switch {
	case at < earliest:
		return false
	case at <= latest+maxAhead:
		return true
	default:
		return at <= latest+maxStep && at-elapsed <= c.lead+maxAhead
	}
}

// silence is the time, in ms, that passed without a frame, if it was a silence.
func silence(d time.Duration) int64 {
	if ms := min(d.Milliseconds(), maxStep); ms >= minSilence {
		return ms
	}
	return 0
}

// peek returns the decode time of the last frame of kind, for what has none of its own.
func (c *clock) peek(kind Kind) int64 { return c.tracks[kind].now * ticksPerMS }
