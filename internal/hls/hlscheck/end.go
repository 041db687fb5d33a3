package hlscheck

import (
	"fmt"
	"time"
)

// endRules are section 13 of the checklist.
var endRules = []rule{
	{"end.endlist", func(s *session) {
		var ended *playlist
		for _, p := range s.playlists {
			if p.ended {
				ended = p
				break
			}
		}
		if ended == nil {
			return
		}
		limit := time.Duration(ended.partTarget*float64(time.Second)) + s.options.Slack
		for _, path := range s.paths {
			for _, p := range s.byPath[path] {
				if !p.ended && p.Sent.After(ended.Done.Add(limit)) {
					s.fault(p.Fetch, "no EXT-X-ENDLIST, where another rendition had it before")
					break
				}
			}
		}
	}},
	{"end.clean", func(s *session) {
		s.eachPlaylist(func(p *playlist) {
			if p.ended && (len(p.hints) > 0 || len(p.open.parts) > 0) {
				s.fault(p.Fetch, fmt.Sprintf("%d hints and %d parts of no segment after the end", len(p.hints), len(p.open.parts)))
			}
		})
	}},
	{"end.directives", eachRequest(func(s *session, r *request) {
		if r.before == nil || !r.before.ended || r.malformed || r.hasPart && !r.hasMSN {
			return
		}
		if r.shown == nil || !r.shown.ended || s.slow(r.Fetch) {
			s.fault(r.Fetch, fmt.Sprintf("%d after %v: the whole playlist comes at once when it has ended", r.Status, r.Done.Sub(r.Sent)))
		}
	})},
}
