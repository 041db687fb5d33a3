package hls

import (
	"cmp"
	"slices"
	"time"
)

// apart is how far the ends of two renditions' segments may be from each other to
// count as one cut: audio is cut at the nearest frame, which is at most 64 ms long.
const apart = 100 * time.Millisecond

// lagging is how many target durations a rendition may end before the others for
// them to be cut to its length. One that ended earlier, as a rung whose encoder hung,
// does not take the rest of the broadcast with it.
const lagging = 3

// A strip is what a replay shows of a rendition: its segments, in order of time.
type strip struct {
	Rendition
	segments []Segment
}

func (s *strip) end() time.Duration { return s.segments[len(s.segments)-1].end() }

// timeline gives each rendition that has media its strip. All strips begin and end
// together, and have no holes. Segments are matched by time: their numbers may differ
// between renditions.
func timeline(t Take, all [][]Segment) []*strip {
	var strips []*strip
	for i, segments := range all {
		if s := newStrip(t.Renditions[i], segments); s != nil {
			strips = append(strips, s)
		}
	}
	if len(strips) == 0 {
		return nil
	}
	from, to := extent(strips)
	for _, s := range strips {
		s.trim(from, to)
	}
	cutTails(strips, lagging*t.TargetDuration)
	from, to = strips[0].segments[0].Start, strips[0].end()
	for _, s := range strips {
		from, to = min(from, s.segments[0].Start), max(to, s.end())
	}
	cuts := cutsOf(strips)
	for _, s := range strips {
		s.fill(from, to, cuts, t.TargetDuration)
	}
	return strips
}

// newStrip is nil for a rendition of which nothing is available. Where a segment is
// there twice, the later one counts.
func newStrip(r Rendition, segments []Segment) *strip {
	if !slices.ContainsFunc(segments, func(s Segment) bool { return !s.Gap }) {
		return nil
	}
	latest := make(map[uint64]int, len(segments))
	for i, s := range segments {
		latest[s.MSN] = i
	}
	out := &strip{Rendition: r}
	for i, s := range segments {
		if latest[s.MSN] == i {
			out.segments = append(out.segments, s)
		}
	}
	slices.SortStableFunc(out.segments, func(a, b Segment) int { return cmp.Compare(a.Start, b.Start) })
	return out
}

// extent is from the first media available in any strip to the last.
func extent(strips []*strip) (from, to time.Duration) {
	first := true
	for _, s := range strips {
		for i := range s.segments {
			g := &s.segments[i]
			if g.Gap {
				continue
			}
			if first || g.Start < from {
				from = g.Start
			}
			to, first = max(to, g.end()), false
		}
	}
	return from, to
}

// trim takes off the gaps before and behind all that is available anywhere.
func (s *strip) trim(from, to time.Duration) {
	s.segments = slices.DeleteFunc(s.segments, func(g Segment) bool {
		return g.Gap && (g.end() <= from+apart || g.Start >= to-apart)
	})
}

// cutTails takes off the last segments that not all renditions have, as where a
// runner died between two uploads; but for renditions that ended long before.
func cutTails(strips []*strip, most time.Duration) {
	var edge time.Duration
	for _, s := range strips {
		edge = max(edge, s.end())
	}
	var together []*strip
	for _, s := range strips {
		if s.end() >= edge-most {
			together = append(together, s)
		}
	}
	for cutTail(together) {
	}
}

// cutTail takes one segment off, and says false when there is none to be taken. No
// strip loses the last that is available of it.
func cutTail(strips []*strip) bool {
	for _, s := range strips {
		rest, last := s.segments[:len(s.segments)-1], s.segments[len(s.segments)-1]
		if slices.ContainsFunc(strips, func(other *strip) bool { return !other.has(last) }) &&
			slices.ContainsFunc(rest, func(g Segment) bool { return !g.Gap }) {
			s.segments = rest
			return true
		}
	}
	return false
}

// has says whether the strip has a segment in the place of g: one that begins where g
// does, or lies over it.
func (s *strip) has(g Segment) bool {
	for i := len(s.segments) - 1; i >= 0 && s.segments[i].end() > g.Start-apart; i-- {
		own := &s.segments[i]
		if own.Start-g.Start <= apart && g.Start-own.Start <= apart || min(own.end(), g.end())-max(own.Start, g.Start) > apart {
			return true
		}
	}
	return false
}

// A cut is where some rendition begins a segment.
type cut struct {
	at            time.Duration
	discontinuity bool
}

// cutsOf are the cuts of all strips, each once, in order.
func cutsOf(strips []*strip) []cut {
	var all []cut
	for _, s := range strips {
		for i := range s.segments {
			all = append(all, cut{at: s.segments[i].Start, discontinuity: s.segments[i].Discontinuity})
		}
	}
	slices.SortStableFunc(all, func(a, b cut) int { return cmp.Compare(a.at, b.at) })
	var cuts []cut
	for _, c := range all {
		if n := len(cuts); n > 0 && c.at-cuts[n-1].at <= apart {
			cuts[n-1].discontinuity = cuts[n-1].discontinuity || c.discontinuity
			continue
		}
		cuts = append(cuts, c)
	}
	return cuts
}

// fill puts gaps into the holes of the strip between from and to, cut where the
// others are and at most most long. The last segments of a broadcast do not end at one
// time, as sound goes on behind the last picture: that is no hole.
func (s *strip) fill(from, to time.Duration, cuts []cut, most time.Duration) {
	var filled []Segment
	at := from
	for _, g := range s.segments {
		filled = append(appendGaps(filled, at, g.Start, cuts, most), g)
		at = g.end()
	}
	if to-at > most {
		filled = appendGaps(filled, at, to, cuts, most)
	}
	s.segments = filled
}

// appendGaps covers the time from at to until, if it is longer than what lies between
// two frames.
func appendGaps(to []Segment, at, until time.Duration, cuts []cut, most time.Duration) []Segment {
	if until-at <= apart {
		return to
	}
	i, _ := slices.BinarySearchFunc(cuts, at-apart, func(c cut, t time.Duration) int { return cmp.Compare(c.at, t) })
	discontinuity := false
	for ; i < len(cuts) && cuts[i].at < until-apart; i++ {
		if c := cuts[i]; c.at-at > apart {
			to = appendGap(to, at, c.at, discontinuity, most)
			at, discontinuity = c.at, c.discontinuity
		} else {
			discontinuity = discontinuity || c.discontinuity
		}
	}
	return appendGap(to, at, until, discontinuity, most)
}

// appendGap adds one gap, or several of equal length where one would be too long.
func appendGap(to []Segment, at, until time.Duration, discontinuity bool, most time.Duration) []Segment {
	n := (until - at + most - 1) / most
	for ; n > 0; n-- {
		length := (until - at + n - 1) / n
		to = append(to, Segment{Start: at, Duration: length, Gap: true, Discontinuity: discontinuity})
		at, discontinuity = at+length, false
	}
	return to
}
