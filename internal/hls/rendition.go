package hls

import "time"

// rendition is the state of one media playlist. Segments and parts are numbered
// without holes, so that marks in their lists are numbers, and the oldest can be
// forgotten.
type rendition struct {
	Rendition
	at cursor // how far its events have come

	segments []segment // closed ones that are known, oldest first
	current  segment   // the open one, once it has parts
	parts    []part    // those that are known, from number base on
	base     uint64

	listed   uint64            // msn of the first segment in the playlist
	detailed uint64            // msn of the first whose parts are in the playlist
	kept     uint64            // msn of the first whose parts are resolvable
	longest  time.Duration     // that its playlist has been
	inits    map[string]uint64 // init hash → the last msn that it is in force for

	moved   bool          // this batch changed what is listed
	changed chan struct{} // closed and replaced by such a batch
	landed  bool          // this batch made a segment durable
	stored  chan struct{} // closed and replaced by such a batch

	rendered [2]rendering // full and delta
}

func newRendition(r Rendition) *rendition {
	return &rendition{
		Rendition: r,
		inits:     make(map[string]uint64),
		changed:   make(chan struct{}),
		stored:    make(chan struct{}),
	}
}

// find is the closed segment msn; nil when it is not known.
func (r *rendition) find(msn uint64) *segment {
	if s := r.from(msn); len(s) > 0 && s[0].msn == msn {
		return &s[0]
	}
	return nil
}

// from is the closed segments from msn on.
func (r *rendition) from(msn uint64) []segment {
	if len(r.segments) == 0 || msn <= r.segments[0].msn {
		return r.segments
	}
	return r.segments[min(msn-r.segments[0].msn, uint64(len(r.segments))):]
}

// last is the newest closed segment; nil when there is none.
func (r *rendition) last() *segment {
	if len(r.segments) == 0 {
		return nil
	}
	return &r.segments[len(r.segments)-1]
}

// partsOf is the known parts of s.
func (r *rendition) partsOf(s *segment) []part {
	if s.count == 0 || s.first < r.base {
		return nil
	}
	return r.parts[s.first-r.base:][:s.count]
}

// edge is the end of the playlist in media time.
func (r *rendition) edge() time.Duration {
	if r.current.count > 0 {
		return r.current.end()
	}
	if s := r.last(); s != nil {
		return s.end()
	}
	return 0
}

// position is that of the last listed part. It says false before there is one.
func (r *rendition) position() (Position, bool) {
	if r.current.count > 0 {
		return Position{MSN: r.current.msn, Part: r.current.count - 1}, true
	}
	if s := r.last(); s != nil {
		return Position{MSN: s.msn, Part: max(s.count, 1) - 1}, true
	}
	return Position{}, false
}

// addPart takes in the next part or gap.
func (r *rendition) addPart(p Part, gap bool, c *constants) {
	r.moved = true
	if len(r.parts) == 0 {
		r.base = p.Number
	}
	r.parts = append(r.parts, newPart(p, gap, c.partMax))
	if s := r.find(p.MSN); s != nil { // the list of segments is ahead of the stream
		if s.count == 0 {
			s.first, s.aligned = p.Number, s.start == p.Start
		}
		s.count++
		return
	}
	s := &r.current
	if s.count == 0 {
		*s = segment{
			msn: p.MSN, start: p.Start, init: p.Init, discontinuity: p.Discontinuity,
			gap: true, first: p.Number, aligned: true, sequence: p.DiscontinuitySequence,
		}
		r.open(s, c)
	}
	s.count++
	s.duration = p.Start + p.Duration - s.start
	s.gap = s.gap && gap
}

// closeSegment ends a segment: the open one, or one that the list of segments
// had already, all of whose parts have now been seen.
func (r *rendition) closeSegment(e Close, c *constants) {
	r.moved = true
	if s := r.find(e.MSN); s != nil {
		s.whole = s.aligned
		return
	}
	s := r.current
	r.current = segment{}
	s.duration, s.whole = e.Duration, true
	r.push(s, c)
}

// finish closes what is open with the parts that it has.
func (r *rendition) finish(c *constants) {
	r.moved = true
	if r.current.count > 0 {
		r.closeSegment(Close{MSN: r.current.msn, Duration: r.current.duration}, c)
	}
}

// addSegment takes in an item of the list of older segments.
func (r *rendition) addSegment(e Segment, c *constants) {
	if len(r.segments) > 0 && e.MSN <= r.last().msn {
		if !e.Gap {
			r.store(e.MSN, e.Term)
		}
		return
	}
	r.moved = true
	s := segment{
		msn: e.MSN, start: e.Start, duration: e.Duration, init: e.Init,
		discontinuity: e.Discontinuity, gap: e.Gap, durable: !e.Gap, term: e.Term, sequence: e.DiscontinuitySequence,
	}
	r.open(&s, c)
	r.push(s, c)
}

// open gives a segment its head.
func (r *rendition) open(s *segment, c *constants) {
	before := ""
	if last := r.last(); last != nil {
		before = last.init
	} else {
		r.listed, r.detailed, r.kept = s.msn, s.msn, s.msn
	}
	s.open(before, c)
	if s.init != "" {
		r.inits[s.init] = s.msn
	}
}

// push gives a segment its tail and puts it at the end of the list.
func (r *rendition) push(s segment, c *constants) {
	var before int64
	if last := r.last(); last != nil {
		before = last.sum
	}
	s.close(before, c)
	r.segments = append(r.segments, s)
}

// store notes that a segment has its object.
func (r *rendition) store(msn, term uint64) {
	if s := r.find(msn); s != nil && !s.durable {
		s.durable, s.term = true, term
		r.landed = true
	}
}
