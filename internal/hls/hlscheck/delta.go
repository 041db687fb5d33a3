package hlscheck

import "fmt"

// expand gives every playlist of one path the segments that it skips, as a client
// does: from what it had before.
func expand(playlists []*playlist) {
	known := map[uint64]segment{}
	for _, p := range playlists {
		p.full = p.segments
		if p.skipped > 0 {
			p.full = nil
			whole := true
			for msn := p.sequence; msn < p.sequence+p.skipped; msn++ {
				s, ok := known[msn]
				whole = whole && ok
				s.parts = nil // too old for them
				p.full = append(p.full, s)
			}
			if !whole {
				p.full = nil
				continue
			}
			p.recount()
		}
		for _, s := range p.full {
			known[s.msn] = s
		}
	}
}

// recount gives segments after a skip their discontinuity numbers and maps, for
// skipped ones count too, and completes the expanded list.
func (p *playlist) recount() {
	number, init := p.discs, ""
	for i := range p.full {
		if p.full[i].disc {
			number++
		}
		init = p.full[i].init
	}
	for i := range p.segments {
		if p.segments[i].init == "" { // the map was said by a segment that is skipped
			p.segments[i].init = init
		}
		init = p.segments[i].init
		if p.segments[i].disc {
			number++
		}
		p.segments[i].discs = number
	}
	if p.open.disc {
		number++
	}
	p.open.discs = number
	if p.open.init == "" {
		p.open.init = init
	}
	p.full = append(p.full, p.segments...)
}

// asksToSkip says whether the request wanted a delta update.
func (p *playlist) asksToSkip() bool {
	v := p.query().Get("_HLS_skip")
	return v == "YES" || v == "v2"
}

// skippable is how many of the segments lie further from the end of the last one
// than the skip boundary (6.2.5.1).
func (p *playlist) skippable() uint64 {
	boundary := p.float(p.control["CAN-SKIP-UNTIL"])
	if boundary == 0 {
		return 0
	}
	sum, n := 0.0, uint64(0)
	for i := len(p.full) - 1; i >= 0; i-- {
		if sum >= boundary-1e-6 {
			n++
		}
		sum += p.full[i].duration
	}
	return n
}

var deltaRules = []rule{
	{"skip.delta", func(s *session) {
		for _, p := range s.playlists {
			_, skips := p.once["#EXT-X-SKIP"]
			switch {
			case skips && (!p.asksToSkip() || p.ended || p.skipped == 0):
				s.fault(p.Fetch, "a delta update that nobody asked for, after the end, or of nothing")
			case !skips && p.asksToSkip() && !p.ended && p.skippable() > 0:
				s.fault(p.Fetch, fmt.Sprintf("no delta update, though %d segments can be skipped", p.skippable()))
			}
		}
	}},
	{"skip.boundary", func(s *session) {
		for _, p := range s.playlists {
			if p.skipped > 0 && p.full != nil && p.skipped > p.skippable() {
				s.fault(p.Fetch, fmt.Sprintf("%d segments are skipped, %d may be", p.skipped, p.skippable()))
			}
		}
	}},
	{"skip.equal", func(s *session) {
		for _, path := range s.paths {
			s.compareDeltas(s.byPath[path])
		}
	}},
}

// compareDeltas holds expanded delta updates against full playlists of the same
// state.
func (s *session) compareDeltas(playlists []*playlist) {
	full := map[string]*playlist{}
	for _, p := range playlists {
		if p.skipped == 0 && !p.ended {
			full[p.state] = p
		}
	}
	for _, p := range playlists {
		if p.skipped == 0 {
			continue
		}
		if p.full == nil {
			s.fault(p.Fetch, "segments are skipped that the client never got")
			continue
		}
		q := full[p.state]
		if q == nil {
			continue
		}
		switch {
		case p.sequence != q.sequence || p.discs != q.discs || len(p.full) != len(q.full):
			s.fault(p.Fetch, "other sequence numbers, or not as many segments, as in the full playlist")
		case fmt.Sprint(p.open, p.hints, p.reports) != fmt.Sprint(q.open, q.hints, q.reports):
			s.fault(p.Fetch, "another end than in the full playlist")
		default:
			s.compareSegments(p, q)
		}
	}
}

func (s *session) compareSegments(p, q *playlist) {
	for i := range q.full {
		a, b := p.full[i], q.full[i]
		a.said, b.said = false, false // the map may be said again after what was skipped
		if fmt.Sprint(a) != fmt.Sprint(b) {
			s.fault(p.Fetch, fmt.Sprintf("segment %d is %v, in the full playlist %v", b.msn, a, b))
			return
		}
	}
}
