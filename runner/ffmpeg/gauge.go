package ffmpeg

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// What a gauge finds.
var (
	errStalled = errors.New("ffmpeg has stalled")
	errSlow    = errors.New("ffmpeg is slower than its source")
)

// slowWindow is how long ffmpeg must be behind, and not catching up, to count as slow: what comes in
// one lump, such as a GOP that was kept for it, leaves it behind for a moment only.
const slowWindow = time.Second

// A gauge compares what goes into one ffmpeg with what comes out of it. Time is an input: it reads no
// clock. It is safe for concurrent use.
type gauge struct {
	stall time.Duration // how long a rung may owe packets
	first time.Duration // the same until its first one
	lag   time.Duration // how far the rungs may be behind, in time of the source
	holds int           // frames that the decoder may hold back until others come

	mu     sync.Mutex // protects what follows
	newest int64      // PTS of the newest frame that went in
	rungs  []rungGauge
	behind []lagSample // of the last slowWindow and a little more, oldest first
}

type rungGauge struct {
	came bool
	out  int64     // PTS of the newest packet
	owed int       // frames that went in since it came
	due  time.Time // since when a packet has been due; zero: none is
}

type lagSample struct {
	at  time.Time
	lag time.Duration
	out time.Duration // PTS of the slowest rung
}

// put notes that a frame went in.
func (g *gauge) put(now time.Time, f Packet) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if f.Key { // only within a GOP are times compared: in front of a keyframe they may jump
		g.newest = f.PTS
	}
	g.newest = max(g.newest, f.PTS)
	for i := range g.rungs {
		r := &g.rungs[i]
		// What the decoder may hold back is not owed, nor is a frame that select may leave out: a rung of one
		// frame a second owes its next one for less than stall.
		if r.owed++; r.owed == g.holds+2 {
			r.due = now
		}
	}
}

// got notes that a packet of rung i came out.
func (g *gauge) got(i int, pts int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.rungs[i] = rungGauge{came: true, out: pts}
}

// check says what is wrong: errStalled or errSlow in the chain, with numbers. Ask it several times in a
// slowWindow.
func (g *gauge) check(now time.Time, name func(rung int) string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, r := range g.rungs {
		limit := g.first
		if r.came {
			limit = g.stall
		}
		if waited := now.Sub(r.due); !r.due.IsZero() && waited >= limit {
			return fmt.Errorf("%w: %d frames went in, and nothing came out of %s for %v",
				errStalled, r.owed, name(i), waited.Round(time.Millisecond))
		}
	}
	if lag, is := g.slowLocked(now); is {
		return fmt.Errorf("%w: %v behind, more than %v, and not catching up", errSlow, lag.Round(time.Millisecond), g.lag)
	}
	return nil
}

// slowLocked tells how far the slowest rung is behind, and whether it has been too far for slowWindow
// without coming nearer. A source that comes faster than time passes leaves behind also an ffmpeg that is
// quick enough for any broadcast: what comes out faster than that is not slow.
func (g *gauge) slowLocked(now time.Time) (time.Duration, bool) {
	sample := lagSample{at: now}
	for _, r := range g.rungs {
		if lag := Duration(g.newest - r.out); r.came && lag > sample.lag {
			sample.lag, sample.out = lag, Duration(r.out)
		}
	}
	if sample.lag <= g.lag {
		g.behind = g.behind[:0]
		return sample.lag, false
	}
	g.behind = append(g.behind, sample)
	for len(g.behind) > 1 && now.Sub(g.behind[1].at) >= slowWindow {
		g.behind = g.behind[1:]
	}
	oldest := g.behind[0]
	passed := now.Sub(oldest.at)
	inTime := sample.out-oldest.out > passed+passed/4
	return sample.lag, passed >= slowWindow && sample.lag >= oldest.lag && !inTime
}
