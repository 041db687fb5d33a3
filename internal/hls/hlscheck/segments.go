package hlscheck

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// segmentRules are what one playlist says of its segments (section 4).
var segmentRules = []rule{
	{"pl.map", func(s *session) {
		s.eachPlaylist(func(p *playlist) {
			for _, seg := range p.all() {
				if seg.init == "" {
					s.fault(p.Fetch, fmt.Sprintf("segment %d has no EXT-X-MAP", seg.msn))
					return
				}
				if seg.disc && !seg.said {
					s.fault(p.Fetch, fmt.Sprintf("segment %d begins with a discontinuity and does not say its map", seg.msn))
					return
				}
			}
		})
	}},
	{"pl.date", func(s *session) {
		s.eachPlaylist(func(p *playlist) {
			for _, seg := range p.all() {
				if _, ok := seg.when(); !ok || !strings.HasSuffix(seg.date, "Z") || !strings.Contains(seg.date, ".") {
					s.fault(p.Fetch, fmt.Sprintf("segment %d has the date %q: want UTC with milliseconds", seg.msn, seg.date))
					return
				}
			}
		})
	}},
	{"pl.date-step", func(s *session) {
		const rounding = 3 * time.Millisecond
		s.eachPlaylist(func(p *playlist) {
			all := p.all()
			for i := 1; i < len(all); i++ {
				a, ok := all[i-1].when()
				b, known := all[i].when()
				step := b.Sub(a) - time.Duration(all[i-1].duration*float64(time.Second))
				if ok && known && !all[i].disc && step.Abs() > rounding {
					s.fault(p.Fetch, fmt.Sprintf("segment %d comes %v after the end of the one before", all[i].msn, step))
					return
				}
			}
		})
	}},
	{"seg.sum", func(s *session) {
		s.eachPlaylist(func(p *playlist) {
			for _, seg := range p.segments {
				sum := 0.0
				for _, part := range seg.parts {
					sum += part.duration
				}
				if d := math.Abs(sum - seg.duration); len(seg.parts) > 0 && d > 1e-3*float64(len(seg.parts)+1) {
					s.fault(p.Fetch, fmt.Sprintf("segment %d lasts %v s, its parts %v s", seg.msn, seg.duration, sum))
					return
				}
			}
		})
	}},
}

// partRules are what one playlist says of its parts (section 5).
var partRules = []rule{
	{"part.max", func(s *session) {
		s.eachPart(func(p *playlist, parts []listedPart, i int) bool {
			return p.partTarget > 0 && parts[i].duration > p.partTarget
		}, "longer than PART-TARGET")
	}},
	{"part.min", func(s *session) {
		s.eachPart(func(p *playlist, parts []listedPart, i int) bool {
			last := i+1 == len(parts) // of its segment, or perhaps of it
			return parts[i].duration < 0.85*p.partTarget-1e-9 && !parts[i].independent && !parts[i].gap && !last && !parts[i+1].gap
		}, "shorter than 85 % of PART-TARGET")
	}},
}

// eachPart calls wrong for every part, and notes those that are.
func (s *session) eachPart(wrong func(p *playlist, parts []listedPart, i int) bool, what string) {
	s.eachPlaylist(func(p *playlist) {
		for _, seg := range p.all() {
			for i := range seg.parts {
				if wrong(p, seg.parts, i) {
					s.fault(p.Fetch, fmt.Sprintf("part %d.%d is %s: %s", seg.msn, i, what, seg.parts[i].line))
					return
				}
			}
		}
	})
}
