package hls

import (
	"fmt"
	"time"
)

// constants are what never changes in the life of a broadcast, and what follows
// from it.
type constants struct {
	broadcast string // its id
	anchor    time.Time
	target    time.Duration // TARGETDURATION, whole seconds
	window    time.Duration
	partMax   int64  // PART-TARGET in microseconds
	segMax    int64  // the longest EXTINF that rounds to TARGETDURATION, in microseconds
	advance   uint64 // the advance part limit
	header    string // the lines that are the same in every media playlist
}

func newConstants(broadcast string, t Take) constants {
	c := constants{
		broadcast: broadcast,
		anchor:    t.Anchor,
		target:    t.TargetDuration,
		window:    t.Window,
		partMax:   micros(t.PartTarget),
		segMax:    micros(t.TargetDuration) + 499_999,
		advance:   3,
	}
	// "The Advance Part Limit is three divided by the Part Target Duration if the
	// Part Target Duration is less than one second, or three otherwise" (6.2.5.2).
	if t.PartTarget < time.Second {
		c.advance = uint64(3 * time.Second / t.PartTarget)
	}
	// The hold-backs are multiples of what is printed, not of what was rounded.
	c.header = fmt.Sprintf("#EXT-X-TARGETDURATION:%d\n"+
		"#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=%s,HOLD-BACK=%s,PART-HOLD-BACK=%s\n"+
		"#EXT-X-PART-INF:PART-TARGET=%s\n",
		t.TargetDuration/time.Second,
		seconds(micros(c.skipBoundary())), seconds(3*micros(c.target)), seconds(3*c.partMax),
		seconds(c.partMax))
	return c
}

// skipBoundary is CAN-SKIP-UNTIL: the least that the draft (4.4.3.8) allows.
func (c *constants) skipBoundary() time.Duration { return 6 * c.target }

// partWindow is how far behind the live edge parts are listed (4.4.4.9).
func (c *constants) partWindow() time.Duration { return 3 * c.target }
