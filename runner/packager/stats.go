package packager

import "sync/atomic"

// Stats counts what a Packager does. Its fields may be read at any time.
type Stats struct {
	Parts    atomic.Uint64 // announced as durable
	Gaps     atomic.Uint64 // parts announced as gaps, for whatever reason
	LateGaps atomic.Uint64 // of these, parts that were not durable in time
	Segments atomic.Uint64 // objects of segments that are durable
	Lost     atomic.Uint64 // segments whose object was given up
	Bytes    atomic.Uint64 // uploaded, parts and segments
	Retries  atomic.Uint64 // uploads that failed and were tried again
	InFlight atomic.Int64  // requests that are under way now

	Hedges    atomic.Uint64 // second requests for an object whose first took long
	HedgeWins atomic.Uint64 // of these, that were there first

	ForcedCuts     atomic.Uint64 // segments that began without a source keyframe: GOPs longer than the target duration
	LateCuts       atomic.Uint64 // segments cut for lack of an IDR or a frame in time
	UnevenCuts     atomic.Uint64 // segments cut where not all rungs had their IDR
	NonIndependent atomic.Uint64 // segments of a rendition that begin without an IDR
	Headless       atomic.Uint64 // frames before the first keyframe

	SilentFrames  atomic.Uint64 // audio frames put in for want of real ones
	DroppedFrames atomic.Uint64 // empty frames, and audio frames that came too late or in a format not yet in force
}
