package hlscheck

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// A position is a part's place: its index in its segment.
type position struct{ msn, part uint64 }

func (p position) before(q position) bool { return p.msn < q.msn || p.msn == q.msn && p.part < q.part }

func (p position) String() string { return fmt.Sprintf("%d.%d", p.msn, p.part) }

// A playlist is a media playlist as its text says it.
type playlist struct {
	*Fetch
	path string
	text string

	once    map[string]string // tags that stand in a playlist once: tag → value
	faults  []string          // of grammar
	control map[string]string // of EXT-X-SERVER-CONTROL

	target     float64 // seconds
	partTarget float64 // seconds; 0 where there is none
	sequence   uint64  // of the first segment
	discs      uint64  // EXT-X-DISCONTINUITY-SEQUENCE
	skipped    uint64
	segments   []segment // closed ones, as they are listed
	open       segment
	hints      []map[string]string
	reports    []map[string]string
	ended      bool

	full []segment // with what was skipped; nil where the client lacks it

	state string // names what is shown: equal states have equal texts
}

// A segment of a playlist. The open one has neither URI nor duration.
type segment struct {
	msn      uint64
	uri      string
	extinf   string
	duration float64
	gap      bool
	disc     bool
	discs    uint64 // its discontinuity sequence number
	date     string
	init     string // the map in force
	said     bool   // its own tags say the map
	parts    []listedPart
}

type listedPart struct {
	line             string
	uri              string
	duration         float64
	independent, gap bool
}

// onceTags may stand in a playlist once; those of true come before the first segment.
var onceTags = map[string]bool{
	"#EXT-X-VERSION": true, "#EXT-X-TARGETDURATION": true, "#EXT-X-MEDIA-SEQUENCE": true,
	"#EXT-X-DISCONTINUITY-SEQUENCE": true, "#EXT-X-SERVER-CONTROL": true, "#EXT-X-PART-INF": true,
	"#EXT-X-SKIP": true, "#EXT-X-PLAYLIST-TYPE": true, "#EXT-X-START": true,
	"#EXT-X-INDEPENDENT-SEGMENTS": true, "#EXT-X-ENDLIST": false,
}

func readPlaylist(f *Fetch) *playlist {
	p := &playlist{Fetch: f, path: f.path(), text: string(f.Body), once: map[string]string{}}
	p.faults = faultsOfText(f.Body)
	r := reader{playlist: p}
	for line := range strings.Lines(strings.TrimPrefix(p.text, "\ufeff")) {
		r.line(strings.TrimRight(line, "\r\n"))
	}
	p.open = r.segment
	p.open.msn = r.msn
	p.state = fmt.Sprint(p.edge(), len(p.open.parts) == 0, p.reports)
	p.target = p.number("#EXT-X-TARGETDURATION")
	p.control = p.attributes(p.once["#EXT-X-SERVER-CONTROL"])
	p.partTarget = p.float(p.attributes(p.once["#EXT-X-PART-INF"])["PART-TARGET"])
	return p
}

// faultsOfText is what is wrong with a playlist as a text (the draft, section 4).
func faultsOfText(body []byte) []string {
	var faults []string
	if !utf8.Valid(body) || strings.HasPrefix(string(body), "\ufeff") {
		faults = append(faults, "not UTF-8, or with a byte order mark")
	}
	if !strings.HasPrefix(string(body), "#EXTM3U\n") {
		faults = append(faults, "the first line is not #EXTM3U")
	}
	control := func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\r' }
	if strings.ContainsFunc(string(body), control) {
		faults = append(faults, "a control character")
	}
	return faults
}

// A reader reads a media playlist line by line.
type reader struct {
	*playlist
	segment segment
	msn     uint64
	discs   uint64
	begun   bool // a segment has been begun
}

func (r *reader) line(line string) {
	tag, value, _ := strings.Cut(line, ":")
	if before, known := onceTags[tag]; known {
		if _, twice := r.once[tag]; twice {
			r.faults = append(r.faults, tag+" is there twice")
		}
		if before && r.begun {
			r.faults = append(r.faults, tag+" comes after the first segment")
		}
		r.once[tag] = value
		r.header(tag, value)
		return
	}
	switch tag {
	case "#EXT-X-DISCONTINUITY", "#EXT-X-MAP", "#EXT-X-PROGRAM-DATE-TIME", "#EXT-X-GAP", "#EXTINF", "#EXT-X-PART":
		r.begun = true
		r.tag(tag, value)
	case "#EXT-X-PRELOAD-HINT":
		r.hints = append(r.hints, r.attributes(value))
	case "#EXT-X-RENDITION-REPORT":
		r.reports = append(r.reports, r.attributes(value))
	default:
		switch {
		case line == "":
			r.faults = append(r.faults, "an empty line") // legal, but nobody writes one on purpose
		case !strings.HasPrefix(line, "#"):
			r.close(line)
		case strings.HasPrefix(line, "#EXT") && line != "#EXTM3U":
			r.faults = append(r.faults, "unknown tag "+tag)
		}
	}
}

func (r *reader) header(tag, value string) {
	switch tag {
	case "#EXT-X-MEDIA-SEQUENCE":
		r.sequence = r.uint(value)
		r.msn = r.sequence
	case "#EXT-X-DISCONTINUITY-SEQUENCE":
		r.playlist.discs = r.uint(value)
		r.discs = r.playlist.discs
	case "#EXT-X-SKIP":
		r.skipped = r.uint(r.attributes(value)["SKIPPED-SEGMENTS"])
		r.msn += r.skipped
	case "#EXT-X-ENDLIST":
		r.ended = true
	}
}

func (r *reader) tag(tag, value string) {
	s := &r.segment
	switch tag {
	case "#EXT-X-DISCONTINUITY", "#EXT-X-MAP", "#EXT-X-PROGRAM-DATE-TIME":
		if len(s.parts) > 0 { // the draft, 4.4.4.9
			r.faults = append(r.faults, tag+" comes after the first part of its segment")
		}
	}
	switch tag {
	case "#EXT-X-DISCONTINUITY":
		s.disc = true
		r.discs++
	case "#EXT-X-MAP":
		s.init, s.said = r.attributes(value)["URI"], true
	case "#EXT-X-PROGRAM-DATE-TIME":
		s.date = value
	case "#EXT-X-GAP":
		s.gap = true
	case "#EXTINF":
		s.extinf = value
		s.duration = r.float(strings.TrimSuffix(value, ","))
	case "#EXT-X-PART":
		a := r.attributes(value)
		s.parts = append(s.parts, listedPart{
			line: value, uri: a["URI"], duration: r.float(a["DURATION"]),
			independent: a["INDEPENDENT"] == "YES", gap: a["GAP"] == "YES",
		})
	}
	s.discs = r.discs
}

func (r *reader) close(uri string) {
	s := r.segment
	if s.extinf == "" {
		r.faults = append(r.faults, uri+" has no EXTINF")
	}
	s.uri, s.msn, s.discs = uri, r.msn, r.discs
	r.segments = append(r.segments, s)
	r.msn++
	r.begun = true
	r.segment = segment{init: s.init, discs: r.discs}
}

// attributes reads an attribute list (4.2).
func (p *playlist) attributes(list string) map[string]string {
	all, faults := attributes(list)
	p.faults = append(p.faults, faults...)
	return all
}

func attributes(list string) (all map[string]string, faults []string) {
	all = map[string]string{}
	for list != "" {
		name, rest, ok := strings.Cut(list, "=")
		if !ok || name == "" || strings.ContainsAny(name, " \"") {
			return all, append(faults, "not an attribute list: "+list)
		}
		var value string
		if strings.HasPrefix(rest, `"`) {
			value, rest, ok = strings.Cut(rest[1:], `"`)
			if !ok {
				return all, append(faults, "a string without its end: "+list)
			}
			rest = strings.TrimPrefix(rest, ",")
		} else {
			value, rest, _ = strings.Cut(rest, ",")
		}
		if _, twice := all[name]; twice {
			faults = append(faults, "attribute "+name+" is there twice")
		}
		all[name], list = value, rest
	}
	return all, faults
}

func (p *playlist) uint(text string) uint64 {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		p.faults = append(p.faults, fmt.Sprintf("%q is no decimal integer", text))
	}
	return n
}

func (p *playlist) number(tag string) float64 {
	text, ok := p.once[tag]
	if !ok {
		p.faults = append(p.faults, "no "+tag)
		return 0
	}
	return float64(p.uint(text))
}

// float is 0 for what is not there.
func (p *playlist) float(text string) float64 {
	if text == "" {
		return 0
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || n < 0 {
		p.faults = append(p.faults, fmt.Sprintf("%q is no duration", text))
	}
	return n
}

// all is every segment that is listed, the open one too if it has a part.
func (p *playlist) all() []segment {
	if len(p.open.parts) == 0 {
		return p.segments
	}
	return append(p.segments[:len(p.segments):len(p.segments)], p.open)
}

// edge is the place of the last part, or of the last segment as a whole.
func (p *playlist) edge() position {
	if n := len(p.open.parts); n > 0 {
		return position{p.open.msn, uint64(n - 1)}
	}
	if len(p.segments) == 0 {
		return position{}
	}
	s := p.segments[len(p.segments)-1]
	return position{s.msn, uint64(max(len(s.parts), 1) - 1)}
}

// complete is the last complete segment.
func (p *playlist) complete() (uint64, bool) {
	if len(p.segments) == 0 {
		return 0, false
	}
	return p.segments[len(p.segments)-1].msn, true
}

// duration is that of all listed segments and parts.
func (p *playlist) duration() float64 {
	sum := 0.0
	for _, s := range p.full {
		sum += s.duration
	}
	for _, q := range p.open.parts {
		sum += q.duration
	}
	return sum
}

// when reads a segment's date; false where there is none.
func (s *segment) when() (time.Time, bool) {
	t, err := time.Parse(time.RFC3339Nano, s.date)
	return t, err == nil
}
