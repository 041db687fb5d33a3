package ffmpeg

import (
	"cmp"
	"time"
)

// Defaults of SupervisorOptions.
const (
	DefaultStall    = 2 * time.Second
	DefaultFirst    = 5 * time.Second
	DefaultLag      = 3 * time.Second
	DefaultFailures = 3
	DefaultWithin   = time.Minute
)

// SupervisorOptions say what a Supervisor does. Options and OnLost are needed; everything else has a default.
type SupervisorOptions struct {
	Options

	// OnLost says that the rungs give nothing more up to until, a PTS of the source in ticks: no packet at
	// or before it comes any more. It is called again and again while no ffmpeg runs, from one goroutine
	// at a time, never while an OnPacket runs. It must be quick, and must not call the Supervisor.
	OnLost func(until int64)
	// OnGivenUp is told when ffmpeg has failed Failures times Within a time, and of the last failure. The
	// Supervisor goes on trying, twice a minute. It must be quick, and must not call the Supervisor. nil =
	// nothing.
	OnGivenUp func(err error)

	Stall    time.Duration // how long nothing may come out while frames go in; 0 = DefaultStall
	First    time.Duration // the same until the first packet; 0 = DefaultFirst
	Lag      time.Duration // how far the rungs may fall behind, in time of the source; 0 = DefaultLag
	Failures int           // 0 = DefaultFailures
	Within   time.Duration // 0 = DefaultWithin
}

func (o SupervisorOptions) withDefaults() SupervisorOptions {
	o.Options = o.Options.withDefaults()
	o.Stall = cmp.Or(o.Stall, DefaultStall)
	o.First = cmp.Or(o.First, DefaultFirst)
	o.Lag = cmp.Or(o.Lag, DefaultLag)
	o.Failures = cmp.Or(o.Failures, DefaultFailures)
	o.Within = cmp.Or(o.Within, DefaultWithin)
	if o.OnGivenUp == nil {
		o.OnGivenUp = func(error) {}
	}
	return o
}

// SupervisorStats counts what a Supervisor did.
type SupervisorStats struct {
	QueueStats        // of all its ffmpegs
	Starts     uint64 // ffmpegs begun
	Crashes    uint64 // ffmpegs that ended by themselves, or could not be started
	Stalls     uint64 // ffmpegs ended because nothing came out of them
	Slow       uint64 // ffmpegs ended because they were behind
	Behind     uint64 // times that a queue was full
	Lost       uint64 // frames left out while no ffmpeg ran
}
