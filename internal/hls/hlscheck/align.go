package hlscheck

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"
)

// alignRules are sections 9 and 10 of the checklist: what one rendition says of
// another, and what they have in common.
var alignRules = []rule{
	{"report.present", func(s *session) {
		if len(s.multivariants) == 0 {
			return
		}
		all := s.multivariants[0].playlists()
		s.eachPlaylist(func(p *playlist) {
			named := map[string]bool{p.path: true}
			for _, r := range p.reports {
				named[resolve(p.URL, r["URI"])] = true
			}
			for _, path := range all {
				if !named[path] && !p.ended {
					s.fault(p.Fetch, "no report of "+path)
					return
				}
			}
		})
	}},
	{"report.truth", func(s *session) { s.eachPlaylist(s.checkReports) }},
	{"align.disc", func(s *session) {
		s.eachPair(func(a, b string, msn uint64, x, y *seen) bool {
			if x.discs != y.discs || x.disc != y.disc {
				s.fault(y.by, fmt.Sprintf("segment %d of %s has discontinuity number %d, that of %s %d", msn, b, y.discs, a, x.discs))
				return false
			}
			return true
		})
	}},
	{"align.publish", func(s *session) {
		s.eachPair(func(a, b string, msn uint64, x, y *seen) bool {
			limit := time.Duration(s.byPath[a][0].partTarget*float64(time.Second)) + s.options.Slack
			if !x.closed || !y.closed || s.closedAtJoin(a, msn) || s.closedAtJoin(b, msn) {
				return true
			}
			if d := y.ended.Sub(x.ended).Abs(); d > limit {
				s.fault(y.by, fmt.Sprintf("segment %d was closed in %s and in %s %v apart", msn, a, b, d))
				return false
			}
			return true
		})
	}},
	{"align.video", func(s *session) {
		s.eachStart(func(a, b string, msn uint64, x, y *file) bool {
			if !s.isVideo(a) || !s.isVideo(b) {
				return true
			}
			const tick = 1.0 / 90_000
			if d := y.track.start() - x.track.start(); math.Abs(d) > tick*1.01 {
				s.fault(y.fetches[0], fmt.Sprintf("segment %d of %s starts %.6f s after that of %s", msn, b, d, a))
				return false
			}
			return true
		})
	}},
	{"align.audio", func(s *session) {
		s.eachStart(func(a, b string, msn uint64, x, y *file) bool {
			if s.isVideo(a) == s.isVideo(b) {
				return true
			}
			audio := x
			if s.isVideo(a) {
				audio = y
			}
			if d := y.track.start() - x.track.start(); math.Abs(d) > audio.track.frame()/2+2e-3 {
				s.fault(y.fetches[0], fmt.Sprintf("segment %d of %s starts %.6f s after that of %s: more than half an audio frame", msn, b, d, a))
				return false
			}
			return true
		})
	}},
	{"pl.date-sync", func(s *session) {
		offset := func(path string, f *file) (float64, bool) {
			at, ok := s.seen[path][f.msn].when()
			return float64(at.UnixMilli())/1000 - f.track.start(), ok
		}
		s.eachStart(func(a, b string, msn uint64, x, y *file) bool {
			p, ok := offset(a, x)
			q, known := offset(b, y)
			if d := q - p; ok && known && math.Abs(d) > 5e-3 {
				s.fault(y.fetches[0], fmt.Sprintf("the dates of %s are %.3f s ahead of those of %s (segment %d)", b, d, a, msn))
				return false
			}
			return true
		})
	}},
	{"align.duration", func(s *session) {
		var first *playlist
		var end time.Time
		for _, path := range s.paths {
			p := s.byPath[path][len(s.byPath[path])-1]
			if !p.ended || len(p.full) == 0 {
				continue
			}
			last := p.full[len(p.full)-1]
			at, ok := last.when()
			at = at.Add(time.Duration(last.duration * float64(time.Second)))
			limit := time.Duration(p.partTarget * float64(time.Second))
			switch {
			case !ok:
			case first == nil:
				first, end = p, at
			case at.Sub(end).Abs() > limit:
				s.fault(p.Fetch, fmt.Sprintf("it ends %v after %s", at.Sub(end), first.path))
			}
		}
	}},
}

// checkReports: a report is as current as the playlist in which it stands.
func (s *session) checkReports(p *playlist) {
	for _, r := range p.reports {
		path := resolve(p.URL, r["URI"])
		if len(s.multivariants) > 0 && !slices.Contains(s.multivariants[0].playlists(), path) {
			s.fault(p.Fetch, "a report of "+path+", which the multivariant playlist does not name")
			return
		}
		msn, err := strconv.ParseUint(r["LAST-MSN"], 10, 64)
		part, err2 := strconv.ParseUint(r["LAST-PART"], 10, 64)
		if err != nil || err2 != nil {
			s.fault(p.Fetch, "a report of "+path+" without LAST-MSN or LAST-PART")
			return
		}
		at := position{msn, part}
		for _, q := range s.byPath[path] {
			if q.ended {
				continue
			}
			behind := !q.Done.After(p.Sent) && at.before(q.edge())
			ahead := q.Sent.After(p.Done) && q.edge().before(at) && !s.reached(path, at, q.Sent)
			if behind || ahead {
				s.fault(p.Fetch, fmt.Sprintf("%s is said to be at %v, it was at %v", path, at, q.edge()))
				return
			}
		}
	}
}

// reached says whether a path had been seen at a position by a time.
func (s *session) reached(path string, at position, by time.Time) bool {
	e := s.seen[path][at.msn]
	return e != nil && uint64(len(e.parts)) > at.part && !e.parts[at.part].After(by)
}

// eachPair compares the segments of equal numbers of the first path with those of
// every other, until check says false. Numbers need not agree for the same content
// (10), but for this server they do, unless a rendition got nothing at all.
func (s *session) eachPair(check func(a, b string, msn uint64, x, y *seen) bool) {
	for _, path := range s.paths[min(1, len(s.paths)):] {
		first := s.paths[0]
		for msn, x := range s.seen[first] {
			if y := s.seen[path][msn]; y != nil && !check(first, path, msn, x, y) {
				break
			}
		}
	}
}

// eachStart is eachPair for segments whose first part or whole object was fetched.
func (s *session) eachStart(check func(a, b string, msn uint64, x, y *file) bool) {
	s.eachPair(func(a, b string, msn uint64, _, _ *seen) bool {
		x, y := s.startOf(a, msn), s.startOf(b, msn)
		return x == nil || y == nil || check(a, b, msn, x, y)
	})
}

// closedAtJoin says that a segment was closed when the client first looked.
func (s *session) closedAtJoin(path string, msn uint64) bool {
	return s.byPath[path][0].find(msn) != nil || msn < s.byPath[path][0].sequence+s.byPath[path][0].skipped
}
