package hls

import (
	"fmt"
	"time"
)

// cursor is how far the events of one rendition have come. The stream of parts
// may lag behind the list of segments, where the two overlap.
type cursor struct {
	known  bool          // a segment or a part has been seen
	first  uint64        // msn of the oldest segment seen
	closed uint64        // msn after the last closed segment: of the open one
	end    time.Duration // of the last closed segment
	joined bool          // a part has been seen: next is more than a take's word
	next   uint64        // number of the next part
	msn    uint64        // of the segment that the next part belongs to
	parts  bool          // the stream is within that segment

	discontinuities uint64 // up to the newest segment seen
	within          uint64 // up to the segment of the last part seen
}

// take goes on with a new term's numbers.
func (c *cursor) take(r Rendition) error {
	if c.joined {
		if r.NextPart > c.next {
			return fmt.Errorf("%w: it goes on with part %d, the next is %d", ErrOrder, r.NextPart, c.next)
		}
	} else {
		c.next = r.NextPart
	}
	if !c.known {
		c.msn, c.closed = r.NextMSN, r.NextMSN
		return nil
	}
	last := c.msn
	if c.parts {
		last++ // its successor's first act may be to close it
	}
	if last = max(last, c.closed); r.NextMSN > last {
		return fmt.Errorf("%w: it goes on with segment %d, the next is %d", ErrOrder, r.NextMSN, last)
	}
	return nil
}

// part moves past a part or gap.
func (c *cursor) part(p Part, f *feed) (bool, error) {
	if p.Duration <= 0 {
		return false, fmt.Errorf("duration %v", p.Duration)
	}
	if c.joined && p.Number < c.next || !c.joined && c.known && p.MSN < c.first {
		return false, nil
	}
	if f.ended {
		return false, fmt.Errorf("%w: the broadcast has ended", ErrOrder)
	}
	if err := c.follows(p, f.take.PartTarget); err != nil {
		return false, err
	}
	if err := c.count(p); err != nil {
		return false, err
	}
	if !c.known {
		c.known, c.first, c.closed = true, p.MSN, p.MSN
	}
	c.joined, c.next = true, p.Number+1
	c.msn, c.parts = p.MSN, true
	return true, nil
}

// follows says whether p can be the next part.
func (c *cursor) follows(p Part, target time.Duration) error {
	switch {
	case c.joined && p.Number != c.next:
		return fmt.Errorf("%w: part %d is next", ErrOrder, c.next)
	case c.joined && p.MSN != c.msn:
		return fmt.Errorf("%w: it is of segment %d, the next part is of segment %d", ErrOrder, p.MSN, c.msn)
	case !c.known:
		return nil
	case p.MSN > c.closed:
		return fmt.Errorf("%w: it is of segment %d, the next segment is %d", ErrOrder, p.MSN, c.closed)
	case !c.joined && p.MSN == c.closed && !p.Discontinuity && p.Start-c.end > target:
		// Listed, it would be the first part of its segment and make every later
		// part's index wrong.
		return fmt.Errorf("%w: it starts at %v, segment %d at %v", ErrOrder, p.Start, p.MSN, c.end)
	}
	return nil
}

// count moves past a part's number of discontinuities, which is carried and does
// not go back.
func (c *cursor) count(p Part) error {
	least := c.within
	if p.MSN >= c.closed && !c.parts { // it begins the open segment
		least = c.discontinuities
		if p.Discontinuity {
			least++
		}
	}
	if p.DiscontinuitySequence < least {
		return fmt.Errorf("%w: discontinuity %d is not before %d", ErrOrder, p.DiscontinuitySequence, least)
	}
	c.within = p.DiscontinuitySequence
	c.discontinuities = max(c.discontinuities, c.within)
	return nil
}

// close moves past the end of a segment.
func (c *cursor) close(e Close) (bool, error) {
	if e.Duration <= 0 {
		return false, fmt.Errorf("duration %v", e.Duration)
	}
	if c.parts && e.MSN == c.msn {
		c.leave()
		return true, nil
	}
	if e.MSN < c.closed || c.joined && e.MSN < c.msn {
		return false, nil
	}
	return false, fmt.Errorf("%w: segment %d is next to be closed, after its parts", ErrOrder, c.closed)
}

// leave ends the segment that the stream is in.
func (c *cursor) leave() {
	c.msn++
	c.closed = max(c.closed, c.msn)
	c.parts = false
}

// finish closes the open segment, if there is one.
func (c *cursor) finish() {
	if c.parts && c.msn == c.closed {
		c.leave()
	}
}

// object moves nothing: an object may come at any time after its segment closed.
func (c *cursor) object(e Object) (bool, error) {
	if e.MSN >= c.closed && c.joined {
		return false, fmt.Errorf("%w: segment %d is still open", ErrOrder, c.closed)
	}
	return e.MSN < c.closed, nil
}

// segment moves past an item of the list of older segments.
func (c *cursor) segment(s Segment, f *feed) (bool, error) {
	switch {
	case s.Duration <= 0:
		return false, fmt.Errorf("duration %v", s.Duration)
	case c.known && s.MSN < c.closed:
		return s.MSN >= c.first, nil // it may tell of its object
	case c.joined:
		return false, fmt.Errorf("%w: the stream, at segment %d, came before it", ErrOrder, c.closed)
	case f.ended:
		return false, fmt.Errorf("%w: the broadcast has ended", ErrOrder)
	case c.known && s.MSN != c.closed:
		return false, fmt.Errorf("%w: segment %d is next", ErrOrder, c.closed)
	}
	least := c.discontinuities
	if s.Discontinuity {
		least++
	}
	if s.DiscontinuitySequence < least {
		return false, fmt.Errorf("%w: discontinuity %d is not before %d", ErrOrder, s.DiscontinuitySequence, least)
	}
	c.discontinuities = s.DiscontinuitySequence
	if !c.known {
		c.known, c.first = true, s.MSN
	}
	c.closed, c.msn, c.end = s.MSN+1, s.MSN+1, s.Start+s.Duration
	return true, nil
}
