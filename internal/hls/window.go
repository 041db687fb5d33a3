package hls

import "time"

// minSegments is how many complete segments a playlist keeps, however short the
// window is (Apple's rule 8.11).
const minSegments = 6

// slide lets go of what the live edge has left behind.
func (r *rendition) slide(c *constants) {
	edge := r.edge()
	r.slideParts(edge, c)
	r.slideWindow(edge, c)
	r.forgetParts(edge, c)
	r.forgetSegments(edge)
}

// slideParts takes parts out of the playlist: "EXT-X-PART tags SHOULD be removed
// … after they are greater than three Target Durations from the end" (4.4.4.9). As
// no segment is longer than one, the last two complete ones always keep theirs.
func (r *rendition) slideParts(edge time.Duration, c *constants) {
	for s := r.from(r.detailed); len(s) > 0 && edge-s[0].end() >= c.partWindow(); s = s[1:] {
		s[0].unlisted = edge
		r.detailed++
	}
}

// slideWindow takes segments out of the playlist, but leaves three target
// durations (6.2.2).
func (r *rendition) slideWindow(edge time.Duration, c *constants) {
	s := r.from(r.listed)
	if len(s) > 0 {
		r.longest = max(r.longest, edge-s[0].start)
	}
	for len(s) > minSegments && edge-s[0].end() >= c.window &&
		r.last().sum-s[0].sum >= 3*micros(c.target) {
		s[0].resolvable = edge + s[0].duration + r.longest
		r.listed++
		s = s[1:]
	}
}

// forgetParts ends what parts can be resolved. Those of a segment without an
// object stay as long as it does: they are all there is of it.
func (r *rendition) forgetParts(edge time.Duration, c *constants) {
	for r.kept < r.detailed {
		if s := r.find(r.kept); s != nil {
			if edge-s.unlisted < c.partWindow() || !s.settled() {
				return
			}
			r.dropParts(s)
		}
		r.kept++
	}
}

// forgetSegments ends what segments can be resolved: "duration of the segment
// plus the duration of the longest Playlist" after it left (6.2.2).
func (r *rendition) forgetSegments(edge time.Duration) {
	for len(r.segments) > 0 && r.segments[0].msn < r.listed && edge >= r.segments[0].resolvable {
		s := &r.segments[0]
		r.dropParts(s)
		if r.inits[s.init] == s.msn {
			delete(r.inits, s.init)
		}
		r.segments = r.segments[1:]
	}
}

// dropParts forgets the parts of s, which are the oldest.
func (r *rendition) dropParts(s *segment) {
	if end := s.first + s.count; s.count > 0 && end > r.base {
		r.parts = r.parts[end-r.base:]
		r.base = end
	}
}
