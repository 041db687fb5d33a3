package packager

import (
	"time"

	"github.com/pharos-live/pharos/internal/hls"
)

// marginScale divides a second into the headroom, 1.5 ms, that a part leaves for a next frame that
// comes a little later than foreseen.
const marginScale = 667

// A builder makes the parts and segments of one rendition out of frames that have their times. It
// keeps the books of decode time: parts and gaps follow one another without holes from the first
// frame to the last, and no part is longer than PART-TARGET.
type builder struct {
	out       *outbox
	rendition int
	kind      hls.Kind
	scale     timescale
	config    Config

	part, target, floor, margin int64 // nominal, longest and shortest part, and headroom, in ticks

	init    *section
	number  uint64           // of the next part
	msn     uint64           // of the open segment
	base    int64            // end of all that is closed, begin of the open part
	samples []fragmentSample // the open part; the last one's duration is not known yet
	segment openSegment

	discontinuities uint64 // of all segments that were closed
}

// An openSegment is the segment that parts go into.
type openSegment struct {
	cut           uint64 // number of the cut that it begins at, or the last one before it
	start         int64
	init          string
	discontinuity bool
	count         int // parts and gaps
	bodies        [][]byte
}

func newBuilder(c Config, rendition int, kind hls.Kind, scale timescale, out *outbox) *builder {
	b := &builder{out: out, rendition: rendition, kind: kind, config: c}
	b.rescale(scale)
	return b
}

// rescale changes the timescale, between two segments.
func (b *builder) rescale(scale timescale) {
	if b.scale != 0 {
		b.base = scale.from(b.base, b.scale)
	}
	b.scale = scale
	b.part = scale.ticks(b.config.Part)
	b.target = scale.ticks(b.config.PartTarget())
	b.floor = b.target*85/100 + 1
	if b.kind == hls.Video { // audio frames are all as long as foreseen
		b.margin = int64(scale) / marginScale
	}
}

// begin opens the segment after a cut. A segment that was given nothing becomes this one.
func (b *builder) begin(c Cut) {
	b.segment.cut = c.Number
	b.segment.start = b.base
	b.segment.discontinuity = b.segment.discontinuity || c.Discontinuity
	b.segment.init = b.init.hash
}

// use puts another init section in force, at the begin of a segment.
func (b *builder) use(s *section) {
	if b.init == s {
		return
	}
	b.segment.discontinuity = b.segment.discontinuity || b.init != nil
	b.init = s
	b.segment.init = s.hash
}

// end is where the next frame's decode time may begin.
func (b *builder) end() int64 {
	if n := len(b.samples); n > 0 {
		return b.samples[n-1].dts + 1
	}
	return b.base
}

// add appends a frame that is decoded at t and presented at pts.
func (b *builder) add(t, pts int64, key bool, data []byte) {
	dts := b.base // the first frame takes what was foreseen wrong
	if n := len(b.samples); n > 0 {
		dts = max(t, b.samples[n-1].dts+1)
		b.samples[n-1].duration = dts - b.samples[n-1].dts
	}
	b.samples = append(b.samples, fragmentSample{dts: dts, composition: pts - dts, sync: key, data: data})
}

// full tells whether the open part is to be closed at end, the end of its last frame, when the next
// frame lasts d: at the frame end nearest to the grid of parts, never so late that the next frame
// would not fit into PART-TARGET, and never below 85 % of it.
func (b *builder) full(end, d int64) bool {
	length := end - b.base
	if length+d+b.margin > b.target {
		return true
	}
	if length < b.floor {
		return false
	}
	// The grid is k × Part from the segment's begin; parts that keep off it lose no multiple.
	k := roundDiv(b.base-b.segment.start, b.part) + 1
	return end >= b.segment.start+k*b.part-d/2
}

// closePart ends the open part, which has frames, at end.
func (b *builder) closePart(end int64) {
	last := &b.samples[len(b.samples)-1]
	end = max(end, last.dts+1)
	last.duration = end - last.dts
	body := writeFragment(uint32(b.number+1), b.kind == hls.Video, b.samples)
	p := b.describe(end)
	p.Independent = b.samples[0].sync
	p.Size = int64(len(body))
	if b.segment.count == 0 && !p.Independent {
		b.out.stats.NonIndependent.Add(1)
	}
	b.out.addPart(p, b.init, body)
	b.segment.bodies = append(b.segment.bodies, body)
	clear(b.samples) // the frames' bytes
	b.samples = b.samples[:0]
	b.close(end)
}

// addGaps covers the time up to end, of which nothing came, with gaps of equal length.
func (b *builder) addGaps(end int64) {
	for n := (end - b.base + b.target - 1) / b.target; n > 0; n-- {
		next := b.base + (end-b.base+n-1)/n
		b.out.addGap(b.describe(next))
		b.close(next)
	}
}

// describe is the part from base to end.
func (b *builder) describe(end int64) hls.Part {
	start := b.scale.duration(b.base)
	return hls.Part{
		Rendition:     b.rendition,
		Number:        b.number,
		MSN:           b.msn,
		Start:         start,
		Duration:      b.scale.duration(end) - start,
		Init:          b.segment.init,
		Discontinuity: b.segment.discontinuity,
		Term:          b.config.Term,

		DiscontinuitySequence: b.discontinuitySequence(),
	}
}

// discontinuitySequence counts the discontinuities up to the open segment, its own among them.
func (b *builder) discontinuitySequence() uint64 {
	if b.segment.discontinuity {
		return b.discontinuities + 1
	}
	return b.discontinuities
}

func (b *builder) close(end int64) {
	b.base = end
	b.number++
	b.segment.count++
}

// closeSegment ends the open segment, if anything came in it.
func (b *builder) closeSegment() {
	s := b.segment
	if s.count == 0 {
		return
	}
	start := b.scale.duration(s.start)
	b.out.closeSegment(segmentJob{
		record: hls.Segment{
			Rendition:     b.rendition,
			MSN:           b.msn,
			Start:         start,
			Duration:      b.scale.duration(b.base) - start,
			Init:          s.init,
			Discontinuity: s.discontinuity,
			Term:          b.config.Term,

			DiscontinuitySequence: b.discontinuitySequence(),
		},
		cut:    s.cut,
		init:   b.init,
		bodies: s.bodies,
	})
	b.discontinuities = b.discontinuitySequence()
	b.msn++
	b.segment = openSegment{cut: s.cut + 1, start: b.base, init: b.init.hash}
}

// deadlines of what is uploaded, from when it was closed.
func (c Config) partDeadline() time.Duration    { return 3 * c.PartTarget() }
func (c Config) segmentDeadline() time.Duration { return 4 * c.TargetDuration }
