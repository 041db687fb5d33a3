package ingest

const (
	ticksPerMS = 90 // of the 90 kHz clock
	// maxStep is the largest step, either way, that RTMP timestamps may make and be believed. A
	// longer silence would have ended the connection (Options.Idle), so that a longer step is a
	// clock that was set anew.
	maxStep = 30_000 // ms
	// headroom is where a publish begins when its encoder's clock does not begin at 0, so that the
	// other track may begin a little earlier.
	headroom = 1_000 // ms
)

// clock turns the 32-bit millisecond timestamps of RTMP, which wrap after 49.7 days, into 90 kHz
// ticks since the publish began. Audio and video share it, as they share the encoder's clock.
type clock struct {
	started bool
	last    uint32 // timestamp, as it came
	now     int64  // the same, unwrapped, ms since the publish began
	floor   [Audio + 1]int64
	resets  int // steps that were not believed
}

// at returns the decode time of a frame. Steps back of one kind of frame, which encoders make by
// a few milliseconds, become none; a clock that was set anew goes on where it stood.
func (c *clock) at(kind Kind, timestamp uint32) int64 {
	switch step := int64(int32(timestamp - c.last)); { // wrapping is the point
	case !c.started:
		c.started = true
		c.now = int64(timestamp)
		if c.now > headroom {
			c.now = headroom
		}
	case step > maxStep || step < -maxStep:
		c.resets++
	default:
		c.now += step
	}
	c.last = timestamp
	c.floor[kind] = max(c.floor[kind], c.now*ticksPerMS)
	return c.floor[kind]
}

// peek returns the decode time of the last frame of kind, for what has none of its own.
func (c *clock) peek(kind Kind) int64 { return c.floor[kind] }
