package hls

import (
	"fmt"
	"strings"
	"time"
)

// part is what is kept of a part or gap.
type part struct {
	line string // its EXT-X-PART
	term uint64
	gap  bool
}

func newPart(p Part, gap bool, partMax int64) part {
	// Rounding keeps order, so a part within the target is printed within it.
	var line strings.Builder
	fmt.Fprintf(&line, "#EXT-X-PART:DURATION=%s,URI=%q", seconds(min(micros(p.Duration), partMax)), partURI(p.Number))
	switch {
	case gap:
		line.WriteString(",GAP=YES")
	case p.Independent:
		line.WriteString(",INDEPENDENT=YES")
	}
	line.WriteByte('\n')
	return part{line: line.String(), term: p.Term, gap: gap}
}

// segment is a segment, open or closed. Its lines are made once.
type segment struct {
	msn           uint64
	start         time.Duration
	duration      time.Duration // of its parts so far, while it is open
	init          string        // the hash of the map in force
	discontinuity bool
	gap           bool   // none of it is available
	sequence      uint64 // its discontinuity sequence number

	head   string // the tags that come before the first part
	mapped bool   // head has an EXT-X-MAP
	tail   string // EXTINF and URI, with EXT-X-GAP before them; once closed
	sum    int64  // microseconds of all EXTINF up to this one's

	first   uint64 // number of its first known part
	count   uint64 // known parts
	aligned bool   // they begin where it begins
	whole   bool   // they are all of its parts

	durable bool   // it has an object
	term    uint64 // of its object

	unlisted   time.Duration // the edge at which its parts left the playlist
	resolvable time.Duration // the edge up to which it can be resolved, once it has left
}

func (s *segment) end() time.Duration { return s.start + s.duration }

// open makes the head of a segment that follows one with the map before. The
// draft (4.4.4.9) wants these tags before the first EXT-X-PART.
func (s *segment) open(before string, c *constants) {
	var head strings.Builder
	if s.discontinuity {
		head.WriteString("#EXT-X-DISCONTINUITY\n")
	}
	if s.init == "" { // a gap may not know it
		s.init = before
	}
	if s.init != "" && (s.init != before || s.discontinuity) {
		s.mapped = true
		head.WriteString(mapLine(s.init))
	}
	fmt.Fprintf(&head, "#EXT-X-PROGRAM-DATE-TIME:%s\n", date(c.anchor, s.start))
	s.head = head.String()
}

// before is the discontinuity sequence number that a playlist states which begins
// with s: "the number of EXT-X-DISCONTINUITY tags preceding", so that of s itself,
// which is shown, is still to be counted (the draft, 4.4.3.3).
func (s *segment) before() uint64 {
	if s.discontinuity && s.sequence > 0 {
		return s.sequence - 1
	}
	return s.sequence
}

// close makes the tail of a segment that follows EXTINFs of the sum before.
// Starts are rounded, not durations: the sum of any run is then true to a
// microsecond.
func (s *segment) close(before int64, c *constants) {
	length := micros(s.end()) - micros(s.start)
	length = min(max(length, 1), c.segMax)
	s.sum = before + length
	gap := ""
	if s.gap {
		gap = "#EXT-X-GAP\n"
	}
	s.tail = fmt.Sprintf("%s#EXTINF:%s,\n%s\n", gap, seconds(length), segmentURI(s.msn))
}

// settled says that no viewer will need the segment's parts instead of it.
func (s *segment) settled() bool { return s.durable || s.gap }
