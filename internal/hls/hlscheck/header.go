package hlscheck

import (
	"fmt"
	"strconv"
	"strings"
)

// eachPlaylist calls check for every media playlist.
func (s *session) eachPlaylist(check func(p *playlist)) {
	for _, p := range s.playlists {
		check(p)
	}
}

// headerRules are section 3 of the checklist, and the grammar.
var headerRules = []rule{
	{"gram.syntax", func(s *session) {
		for _, m := range s.multivariants {
			for _, fault := range m.faults {
				s.fault(m.Fetch, fault)
			}
		}
		s.eachPlaylist(func(p *playlist) {
			for _, fault := range p.faults {
				s.fault(p.Fetch, fault)
			}
		})
	}},
	{"gram.version", func(s *session) {
		for _, m := range s.multivariants {
			if want := m.needs(); m.version != want {
				s.fault(m.Fetch, fmt.Sprintf("version %d, what it says needs %d", m.version, want))
			}
		}
		s.eachPlaylist(func(p *playlist) {
			if got, want := p.once["#EXT-X-VERSION"], strconv.Itoa(p.needs()); got != want {
				s.fault(p.Fetch, fmt.Sprintf("version %s, what it says needs %s", got, want))
			}
		})
	}},
	{"pl.constant", func(s *session) {
		header := func(p *playlist) string {
			return p.once["#EXT-X-TARGETDURATION"] + "\n" + p.once["#EXT-X-SERVER-CONTROL"] + "\n" + p.once["#EXT-X-PART-INF"]
		}
		s.eachPlaylist(func(p *playlist) {
			if was := header(s.playlists[0]); header(p) != was {
				s.fault(p.Fetch, fmt.Sprintf("%q was %q", header(p), was))
			}
		})
	}},
	{"pl.target", func(s *session) {
		s.eachPlaylist(func(p *playlist) {
			if p.target < 1 {
				s.fault(p.Fetch, "a target duration below one second")
			}
			for _, seg := range p.segments {
				if float64(int(seg.duration+0.5)) > p.target {
					s.fault(p.Fetch, fmt.Sprintf("segment %d lasts %v s, the target duration is %v s", seg.msn, seg.duration, p.target))
				}
			}
		})
	}},
	{"pl.server-control", func(s *session) {
		s.eachPlaylist(func(p *playlist) {
			if p.control["CAN-BLOCK-RELOAD"] != "YES" {
				s.fault(p.Fetch, "no CAN-BLOCK-RELOAD=YES")
			}
		})
	}},
	{"pl.part-inf", func(s *session) {
		s.eachPlaylist(func(p *playlist) {
			if p.partTarget <= 0 && strings.Contains(p.text, "#EXT-X-PART:") {
				s.fault(p.Fetch, "parts without PART-TARGET")
			}
		})
	}},
	{"pl.part-hold-back", func(s *session) {
		s.eachPlaylist(func(p *playlist) {
			if got := p.float(p.control["PART-HOLD-BACK"]); got < 3*p.partTarget-1e-9 {
				s.fault(p.Fetch, fmt.Sprintf("PART-HOLD-BACK is %v s: three part targets are %v s", got, 3*p.partTarget))
			}
		})
	}},
	{"pl.hold-back", func(s *session) {
		s.eachPlaylist(func(p *playlist) {
			if got, ok := p.control["HOLD-BACK"]; ok && p.float(got) < 3*p.target-1e-9 {
				s.fault(p.Fetch, fmt.Sprintf("HOLD-BACK is %s s: three target durations are %v s", got, 3*p.target))
			}
		})
	}},
	{"pl.skip-until", func(s *session) {
		s.eachPlaylist(func(p *playlist) {
			got, ok := p.control["CAN-SKIP-UNTIL"]
			if ok && p.float(got) < 6*p.target-1e-9 || !ok && p.duration() > 120 {
				s.fault(p.Fetch, fmt.Sprintf("CAN-SKIP-UNTIL is %q s: six target durations are %v s", got, 6*p.target))
			}
		})
	}},
	{"pl.type", func(s *session) {
		s.eachPlaylist(func(p *playlist) {
			if _, ok := p.once["#EXT-X-PLAYLIST-TYPE"]; ok {
				s.fault(p.Fetch, "EXT-X-PLAYLIST-TYPE where segments are removed")
			}
		})
	}},
	{"pl.disc-sequence", func(s *session) {
		s.eachPlaylist(func(p *playlist) {
			if _, ok := p.once["#EXT-X-DISCONTINUITY-SEQUENCE"]; !ok {
				s.fault(p.Fetch, "no EXT-X-DISCONTINUITY-SEQUENCE")
			}
		})
	}},
	{"pl.start", func(s *session) {
		s.eachPlaylist(func(p *playlist) {
			value, ok := p.once["#EXT-X-START"]
			if !ok {
				return
			}
			all, _ := attributes(value)
			if at, err := strconv.ParseFloat(all["TIME-OFFSET"], 64); err != nil || at < 0 && -at < 3*p.target || p.duration()-at < 3*p.target {
				s.fault(p.Fetch, "EXT-X-START within three target durations of the end: "+value)
			}
		})
	}},
	{"pl.window", func(s *session) {
		s.eachPlaylist(func(p *playlist) {
			if p.sequence == s.first(p.path) || p.full == nil || p.ended {
				return // nothing has left it
			}
			sum := 0.0
			for _, seg := range p.full {
				sum += seg.duration
			}
			if len(p.full) < 6 || sum < 3*p.target-1e-6 {
				s.fault(p.Fetch, fmt.Sprintf("%d segments of %.3f s: six, and three target durations, stay", len(p.full), sum))
			}
		})
	}},
}

// first is the first media sequence number that was seen of a path.
func (s *session) first(path string) uint64 {
	first := s.byPath[path][0].sequence
	for _, p := range s.byPath[path] {
		first = min(first, p.sequence)
	}
	return first
}

// needs is the lowest version that a playlist's tags allow (section 8).
func (p *playlist) needs() int {
	if strings.Contains(p.text, "RECENTLY-REMOVED-DATERANGES") {
		return 10
	}
	if _, ok := p.once["#EXT-X-SKIP"]; ok {
		return 9
	}
	switch {
	case strings.Contains(p.text, "#EXT-X-MAP"):
		return 6
	case strings.Contains(p.text, "#EXT-X-BYTERANGE"):
		return 4
	default:
		return 3
	}
}

func (m *multivariant) needs() int {
	switch {
	case strings.Contains(string(m.Body), "#EXT-X-DEFINE"):
		return 8
	case strings.Contains(string(m.Body), `INSTREAM-ID="SERVICE`):
		return 7
	default:
		return 1
	}
}
