package hlscheck

import (
	"fmt"
	"slices"
	"time"
)

// seen is all that was ever said of one segment of a path.
type seen struct {
	segment        // as it was first said; parts: the longest list of them
	closed  bool   // it was seen with its EXTINF
	by      *Fetch // that said it first
	listed  time.Time
	ended   time.Time   // when it was first seen closed
	parts   []time.Time // when each part was first seen
}

func (s *session) collectSeen() {
	s.seen = map[string]map[uint64]*seen{}
	for _, p := range s.playlists {
		if p.full == nil && p.skipped > 0 {
			continue // it cannot be understood
		}
		known := s.seen[p.path]
		if known == nil {
			known = map[uint64]*seen{}
			s.seen[p.path] = known
		}
		for _, seg := range p.all() {
			e := known[seg.msn]
			if e == nil {
				e = &seen{segment: seg, by: p.Fetch, listed: p.Done}
				known[seg.msn] = e
			}
			if seg.uri != "" && !e.closed {
				e.closed, e.ended = true, p.Done
				e.uri, e.extinf, e.duration, e.gap = seg.uri, seg.extinf, seg.duration, seg.gap
			}
			for len(e.parts) < len(seg.parts) {
				e.parts = append(e.parts, p.Done)
			}
			if len(seg.parts) > len(e.segment.parts) {
				e.segment.parts = seg.parts
			}
		}
	}
}

// historyRules hold playlists against one another.
var historyRules = []rule{
	{"pl.immutable", func(s *session) {
		s.eachPlaylist(func(p *playlist) {
			for _, seg := range p.all() {
				if p.full == nil && p.skipped > 0 {
					return
				}
				if what := changed(s.seen[p.path][seg.msn], seg); what != "" {
					s.fault(p.Fetch, fmt.Sprintf("segment %d: %s", seg.msn, what))
				}
			}
		})
	}},
	{"pl.monotone", func(s *session) {
		for _, path := range s.paths {
			s.checkMonotone(s.byPath[path])
		}
	}},
	{"part.uri", func(s *session) {
		for _, path := range s.paths {
			places := map[string]position{}
			for msn, e := range s.seen[path] {
				for i, part := range e.segment.parts {
					at := position{msn, uint64(i)}
					if was, ok := places[part.uri]; ok && was != at {
						s.fault(e.by, fmt.Sprintf("%s is part %v and part %v", part.uri, was, at))
					}
					places[part.uri] = at
				}
			}
		}
	}},
}

// changed says what differs from what was said of a segment before: nothing may but
// that it is closed, that parts come at its end, or go all at once.
func changed(was *seen, is segment) string {
	switch {
	case is.uri != "" && (is.uri != was.uri || is.extinf != was.extinf || is.gap != was.gap):
		return fmt.Sprintf("%s, EXTINF %s were %s, %s", is.uri, is.extinf, was.uri, was.extinf)
	case is.date != was.date:
		return fmt.Sprintf("date %q was %q", is.date, was.date)
	case is.init != was.init:
		return fmt.Sprintf("map %q was %q", is.init, was.init)
	case is.disc != was.disc || is.discs != was.discs:
		return fmt.Sprintf("discontinuity %v, number %d were %v, %d", is.disc, is.discs, was.disc, was.discs)
	case is.uri != "" && len(is.parts) > 0 && len(is.parts) != len(was.segment.parts):
		return fmt.Sprintf("%d parts were %d", len(is.parts), len(was.segment.parts))
	}
	for i, part := range is.parts {
		if part.line != was.segment.parts[i].line {
			return fmt.Sprintf("part %q was %q", part.line, was.segment.parts[i].line)
		}
	}
	return ""
}

// checkMonotone compares with what was there before the request was sent: answers
// to requests that ran side by side may overtake one another.
func (s *session) checkMonotone(playlists []*playlist) {
	for i, p := range playlists {
		for _, q := range playlists[:i] {
			if q.Done.After(p.Sent) {
				continue
			}
			if p.sequence < q.sequence || p.discs < q.discs || p.edge().before(q.edge()) || q.ended && !p.ended {
				s.fault(p.Fetch, fmt.Sprintf("sequence %d, discontinuity %d, end %v; at %s it was %d, %d, %v",
					p.sequence, p.discs, p.edge(), q.Done.Format("15:04:05.000"), q.sequence, q.discs, q.edge()))
				break
			}
		}
	}
}

// timeRules are about when things appear, as a client sees it.
var timeRules = []rule{
	{"seg.cadence", func(s *session) {
		for _, path := range s.paths {
			var times []time.Time
			first := s.byPath[path][0]
			for msn := first.sequence; s.seen[path][msn] != nil && s.seen[path][msn].closed; msn++ {
				times = append(times, s.seen[path][msn].ended)
			}
			limit := time.Duration(1.5*first.target*float64(time.Second)) + s.options.Slack
			s.checkGaps(path, times, limit, "segment")
		}
	}},
	{"part.cadence", func(s *session) {
		for _, path := range s.paths {
			var times []time.Time
			first := s.byPath[path][0]
			for msn := first.sequence; s.seen[path][msn] != nil; msn++ {
				times = append(times, s.seen[path][msn].parts...)
			}
			limit := time.Duration(first.partTarget*float64(time.Second)) + s.options.Slack
			if first.partTarget > 0 {
				s.checkGaps(path, times, limit, "part")
			}
		}
	}},
	{"latency.edge", func(s *session) {
		s.eachPlaylist(func(p *playlist) {
			for _, seg := range p.all() {
				if at, ok := seg.when(); ok && at.After(p.Done.Add(s.options.Slack)) {
					s.fault(p.Fetch, fmt.Sprintf("segment %d has the date %s, which is still to come", seg.msn, seg.date))
					return
				}
			}
		})
	}},
	{"part.window", func(s *session) {
		s.eachPlaylist(func(p *playlist) {
			if p.full == nil {
				return
			}
			after := 0.0
			for _, part := range p.open.parts {
				after += part.duration
			}
			for i := len(p.full) - 1; i >= 0; i-- {
				// They leave with their whole segment, which may be a target duration long.
				if len(p.full[i].parts) > 0 && after > 4*p.target {
					s.fault(p.Fetch, fmt.Sprintf("segment %d ends %.3f s before the end, and still has parts", p.full[i].msn, after))
					return
				}
				after += p.full[i].duration
			}
		})
	}},
}

// ended says that some playlist has ended, and with it the broadcast.
func (s *session) ended() bool {
	return slices.ContainsFunc(s.playlists, func(p *playlist) bool { return p.ended })
}

// checkGaps looks at the distances of what came, and at how long nothing came at
// the end while the broadcast was live.
func (s *session) checkGaps(path string, times []time.Time, limit time.Duration, what string) {
	if len(times) == 0 {
		return
	}
	last := s.byPath[path][len(s.byPath[path])-1]
	if !s.ended() {
		times = append(times, last.Done)
	}
	for i := 1; i < len(times); i++ {
		if d := times[i].Sub(times[i-1]); d > limit {
			s.fault(last.Fetch, fmt.Sprintf("no new %s for %v, at most %v are allowed", what, d, limit))
			return
		}
	}
}
