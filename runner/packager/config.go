package packager

import (
	"fmt"
	"time"
)

// Limits of Config.
const (
	MinSegment = 500 * time.Millisecond
	MaxTarget  = time.Minute
	MinPart    = 200 * time.Millisecond
	MaxPart    = time.Second
)

// Config is what never changes in the life of a broadcast.
type Config struct {
	Broadcast string // its id, the first element of every key
	Term      uint64 // in the keys of parts and segments

	Segment        time.Duration // segments end at the first source keyframe at or after this
	TargetDuration time.Duration // and never later than this: a whole multiple of Segment, whole seconds
	Part           time.Duration // nominal duration of a part: 200 ms to 1 s
	Window         time.Duration // how far back a live viewer can seek

	Anchor time.Time // the date of media time zero
}

// Validate checks the durations. Its error is one line that names the setting, its value and what
// is allowed. Broadcast, Term and Anchor are not looked at.
func (c Config) Validate() error {
	switch {
	case c.Segment < MinSegment || c.Segment > MaxTarget:
		return fmt.Errorf("PHAROS_SEGMENT is %v: want %v to %v", c.Segment, MinSegment, MaxTarget)
	case c.TargetDuration < time.Second || c.TargetDuration > MaxTarget || c.TargetDuration%time.Second != 0:
		return fmt.Errorf("PHAROS_TARGETDURATION is %v: want whole seconds, 1s to %v", c.TargetDuration, MaxTarget)
	case c.TargetDuration%c.Segment != 0:
		return fmt.Errorf("PHAROS_TARGETDURATION is %v: want a whole multiple of PHAROS_SEGMENT, which is %v", c.TargetDuration, c.Segment)
	case c.Part < MinPart || c.Part > MaxPart:
		return fmt.Errorf("PHAROS_PART is %v: want %v to %v", c.Part, MinPart, MaxPart)
	case c.Part > c.Segment:
		return fmt.Errorf("PHAROS_PART is %v: want at most PHAROS_SEGMENT, which is %v", c.Part, c.Segment)
	case c.Window < 3*c.TargetDuration:
		return fmt.Errorf("PHAROS_WINDOW is %v: want at least three times PHAROS_TARGETDURATION, which is %v", c.Window, c.TargetDuration)
	}
	return nil
}

// PartTarget is PART-TARGET: no part is longer, and no listed constant depends on the source. The
// headroom over Part takes a frame of audio, and timestamps in whole milliseconds.
func (c Config) PartTarget() time.Duration {
	return max(c.Part+16*time.Millisecond, c.Part*105/100)
}
