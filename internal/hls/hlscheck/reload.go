package hlscheck

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// directives are what a request for a media playlist asks for (6.2.5).
type directives struct {
	msn, part       uint64
	hasMSN, hasPart bool
	malformed       bool
}

func readDirectives(q url.Values) directives {
	var d directives
	number := func(name string) (n uint64, ok bool) {
		switch len(q[name]) {
		case 0:
			return 0, false
		case 1:
			n, err := strconv.ParseUint(q[name][0], 10, 64)
			d.malformed = d.malformed || err != nil
			return n, err == nil
		default:
			d.malformed = true
			return 0, false
		}
	}
	d.msn, d.hasMSN = number("_HLS_msn")
	d.part, d.hasPart = number("_HLS_part")
	return d
}

// A request is one for a media playlist of a path that is known, whatever its answer.
type request struct {
	*Fetch
	directives
	before *playlist // the newest state that was seen before it was sent
	after  *playlist // the oldest state that was seen by a request sent after it was done
	shown  *playlist // its answer; nil where that is none
}

// requests are all requests for media playlists.
func (s *session) requests() []request {
	shown := map[*Fetch]*playlist{}
	for _, p := range s.playlists {
		shown[p.Fetch] = p
	}
	var all []request
	for _, f := range s.fetches {
		states := s.byPath[f.path()]
		if len(states) == 0 {
			continue
		}
		r := request{Fetch: f, directives: readDirectives(f.query()), shown: shown[f]}
		for _, p := range states {
			if !p.Done.After(f.Sent) && (r.before == nil || r.before.edge().before(p.edge()) || p.ended) {
				r.before = p
			}
			if p.Sent.After(f.Done) && (r.after == nil || p.edge().before(r.after.edge())) {
				r.after = p
			}
		}
		all = append(all, r)
	}
	return all
}

// live says that the broadcast had not ended when the request was sent, as far as
// is known, and that its directives can be understood.
func (r *request) live() bool {
	return !r.malformed && (r.before == nil || !r.before.ended)
}

// eachRequest calls check for every request, in order.
func eachRequest(check func(s *session, r *request)) func(*session) {
	return func(s *session) {
		for i := range s.asked {
			check(s, &s.asked[i])
		}
	}
}

func (p *playlist) find(msn uint64) *segment {
	for i := range p.segments {
		if p.segments[i].msn == msn {
			return &p.segments[i]
		}
	}
	return nil
}

// blockTargets is how many target durations a request may be held (6.2.5.2).
const blockTargets = 3

// reloadRules are section 6 of the checklist.
var reloadRules = []rule{
	{"reload.msn-only", eachRequest(func(s *session, r *request) {
		if r.shown == nil || r.shown.ended || !r.hasMSN || r.hasPart {
			return
		}
		if last, ok := r.shown.complete(); !ok || last < r.msn {
			s.fault(r.Fetch, fmt.Sprintf("answered before segment %d was complete", r.msn))
		}
	})},
	{"reload.blocks", eachRequest(func(s *session, r *request) {
		if r.shown == nil || r.shown.ended || !r.hasPart || !r.hasMSN {
			return
		}
		if seg := r.shown.find(r.msn); seg == nil && r.shown.edge().before(position{r.msn, r.part}) {
			s.fault(r.Fetch, fmt.Sprintf("answered at %v", r.shown.edge()))
		}
	})},
	{"reload.rollover", eachRequest(func(s *session, r *request) {
		if r.shown == nil || r.shown.ended || !r.hasPart || !r.hasMSN {
			return
		}
		last, _ := r.shown.complete()
		seg := r.shown.find(r.msn)
		if seg != nil && last == r.msn && len(seg.parts) > 0 && uint64(len(seg.parts)) <= r.part && len(r.shown.open.parts) == 0 {
			s.fault(r.Fetch, fmt.Sprintf("segment %d closed with %d parts, and none of the next is listed", r.msn, len(seg.parts)))
		}
	})},
	{"reload.past", eachRequest(func(s *session, r *request) {
		if !r.live() || !r.hasMSN || r.before == nil {
			return
		}
		if last, ok := r.before.complete(); ok && r.msn <= last && !r.hasPart && r.shown == nil {
			s.fault(r.Fetch, fmt.Sprintf("%d for a segment that is complete, or long gone", r.Status))
		}
	})},
	{"reload.part-no-msn", eachRequest(func(s *session, r *request) {
		if r.live() && r.hasPart && !r.hasMSN && r.Status != http.StatusBadRequest {
			s.fault(r.Fetch, fmt.Sprintf("%d, not 400", r.Status))
		}
	})},
	{"reload.far-msn", eachRequest(func(s *session, r *request) {
		if !r.live() || !r.hasMSN || r.after == nil || r.after.ended {
			return
		}
		if last, ok := r.after.complete(); ok && r.msn > last+2 && (r.Status != http.StatusBadRequest || s.slow(r.Fetch)) {
			s.fault(r.Fetch, fmt.Sprintf("%d after %v, not 400 at once: segment %d is the last complete one", r.Status, r.Done.Sub(r.Sent), last))
		}
	})},
	{"reload.near-msn", eachRequest(func(s *session, r *request) {
		if !r.live() || !r.hasMSN || r.before == nil || r.hasPart && r.part > 0 {
			return
		}
		if last, ok := r.before.complete(); ok && r.msn <= last+2 && r.msn > last && r.Status == http.StatusBadRequest {
			s.fault(r.Fetch, fmt.Sprintf("400, though segment %d was complete", last))
		}
	})},
	{"reload.far-part", eachRequest(func(s *session, r *request) {
		if !r.live() || !r.hasPart || !r.hasMSN || r.after == nil || r.after.ended || r.after.partTarget <= 0 {
			return
		}
		limit := uint64(3)
		if r.after.partTarget < 1 {
			limit = uint64(3 / r.after.partTarget)
		}
		if last, ok := r.after.complete(); ok && r.msn == last+1 && r.part > uint64(len(r.after.open.parts))+limit && (r.Status != http.StatusBadRequest || s.slow(r.Fetch)) {
			s.fault(r.Fetch, fmt.Sprintf("%d after %v, not 400 at once", r.Status, r.Done.Sub(r.Sent)))
		}
	})},
	{"reload.garbage", eachRequest(func(s *session, r *request) {
		if r.malformed && (r.before == nil || !r.before.ended) && r.Status != http.StatusBadRequest {
			s.fault(r.Fetch, fmt.Sprintf("%d, not 400", r.Status))
		}
	})},
	{"reload.unknown", eachRequest(func(s *session, r *request) {
		for name := range r.query() {
			known := name == "_HLS_msn" || name == "_HLS_part" || name == "_HLS_skip"
			if !known && !r.malformed && !r.hasPart && !r.hasMSN && r.shown == nil {
				s.fault(r.Fetch, fmt.Sprintf("%d because of %s", r.Status, name))
			}
		}
	})},
	{"reload.timeout", eachRequest(func(s *session, r *request) {
		if r.before == nil {
			return
		}
		limit := time.Duration(blockTargets * r.before.target * float64(time.Second))
		switch held := r.Done.Sub(r.Sent); {
		case held > limit+s.options.Slack:
			s.fault(r.Fetch, fmt.Sprintf("held for %v, %v are allowed", held, limit))
		case r.Status == http.StatusServiceUnavailable && held < limit:
			s.fault(r.Fetch, fmt.Sprintf("503 after %v, before %v", held, limit))
		}
	})},
	{"reload.prompt", eachRequest(func(s *session, r *request) {
		if r.shown == nil || !r.hasMSN || r.shown.ended {
			return
		}
		// Whoever waited gets the state as soon as anybody has it.
		first := r.Done
		for _, p := range s.byPath[r.path()] {
			reached := !p.edge().before(position{r.msn, r.part}) && r.hasPart
			if last, ok := p.complete(); !r.hasPart {
				reached = ok && last >= r.msn
			}
			if reached && p.Done.Before(first) {
				first = p.Done
			}
		}
		if first.Before(r.Sent) {
			first = r.Sent
		}
		if late := r.Done.Sub(first); late > s.options.Slack {
			s.fault(r.Fetch, fmt.Sprintf("answered %v after others had it", late))
		}
	})},
	{"reload.same", func(s *session) {
		for _, path := range s.paths {
			texts := map[string]*playlist{}
			for _, p := range s.byPath[path] {
				state := fmt.Sprint(p.state, p.skipped > 0, p.ended)
				if q := texts[state]; q != nil && q.text != p.text {
					s.fault(p.Fetch, "another text of the same state as at "+q.Done.Format("15:04:05.000"))
				}
				texts[state] = p
			}
		}
	}},
}

// slow says that an answer that must come at once did not.
func (s *session) slow(f *Fetch) bool { return f.Done.Sub(f.Sent) > s.options.Slack }
