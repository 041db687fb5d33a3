package hls_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"strconv"
	"strings"
	"testing"

	"github.com/bluenviron/gohlslib/v2/pkg/playlist"

	"github.com/pharos-live/pharos/internal/hls"
)

// reading is a media playlist as a player understands it.
type reading struct {
	text            string
	version         int
	constants       string // the three tags that must never change
	mediaSequence   uint64
	discontinuities uint64
	skipped         uint64
	segments        []listed
	open            listed // its parts, and the tags before them
	hint            string
	reports         map[string]hls.Position
	ended           bool
}

// listed is a segment of a playlist.
type listed struct {
	msn      uint64
	sequence uint64 // its discontinuity sequence number
	uri      string
	extinf   float64
	gap      bool
	disc     bool
	date     string
	init     string // the map in force
	parts    []string
}

// attributes reads an attribute list (4.2) without commas in its strings.
func attributes(list string) map[string]string {
	all := make(map[string]string)
	for item := range strings.SplitSeq(list, ",") {
		name, value, _ := strings.Cut(item, "=")
		all[name] = strings.Trim(value, `"`)
	}
	return all
}

func toUint(t testing.TB, s string) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// read reads p by this file's grammar, which is strict about order, and has
// gohlslib read it too.
func read(t testing.TB, p *hls.Playlist) reading {
	t.Helper()
	r := reading{text: string(p.Text()), reports: make(map[string]hls.Position)}
	lines := strings.Split(strings.TrimSuffix(r.text, "\n"), "\n")
	if lines[0] != "#EXTM3U" {
		t.Fatalf("first line is %q", lines[0])
	}
	once := make(map[string]bool)
	var s listed
	next := uint64(0)
	for _, line := range lines[1:] {
		tag, value, _ := strings.Cut(line, ":")
		switch tag {
		case "#EXT-X-VERSION", "#EXT-X-TARGETDURATION", "#EXT-X-SERVER-CONTROL", "#EXT-X-PART-INF", "#EXT-X-SKIP",
			"#EXT-X-MEDIA-SEQUENCE", "#EXT-X-DISCONTINUITY-SEQUENCE", "#EXT-X-ENDLIST", "#EXT-X-PRELOAD-HINT":
			if once[tag] {
				t.Errorf("%s is there twice:\n%s", tag, r.text)
			}
			once[tag] = true
		}
		switch tag {
		case "#EXT-X-VERSION":
			r.version = int(toUint(t, value))
		case "#EXT-X-TARGETDURATION", "#EXT-X-SERVER-CONTROL", "#EXT-X-PART-INF":
			r.constants += line + "\n"
		case "#EXT-X-MEDIA-SEQUENCE":
			r.mediaSequence = toUint(t, value)
			next = r.mediaSequence
		case "#EXT-X-DISCONTINUITY-SEQUENCE":
			r.discontinuities = toUint(t, value)
			s.sequence = r.discontinuities
		case "#EXT-X-SKIP":
			if !once["#EXT-X-MEDIA-SEQUENCE"] || !once["#EXT-X-DISCONTINUITY-SEQUENCE"] || len(r.segments) > 0 {
				t.Errorf("EXT-X-SKIP is in the wrong place:\n%s", r.text)
			}
			r.skipped = toUint(t, attributes(value)["SKIPPED-SEGMENTS"])
			next += r.skipped
		case "#EXT-X-DISCONTINUITY", "#EXT-X-MAP", "#EXT-X-PROGRAM-DATE-TIME":
			if len(s.parts) > 0 {
				t.Errorf("%s comes after a part of its segment:\n%s", tag, r.text)
			}
			switch tag {
			case "#EXT-X-DISCONTINUITY":
				s.disc = true
				s.sequence++
			case "#EXT-X-MAP":
				s.init = attributes(value)["URI"]
			default:
				s.date = value
			}
		case "#EXT-X-PART":
			if s.date == "" || s.init == "" {
				t.Errorf("a part without date or map:\n%s", r.text)
			}
			s.parts = append(s.parts, value)
		case "#EXT-X-GAP":
			s.gap = true
		case "#EXTINF":
			seconds, err := strconv.ParseFloat(strings.TrimSuffix(value, ","), 64)
			if err != nil {
				t.Fatal(err)
			}
			s.extinf = seconds
		case "#EXT-X-PRELOAD-HINT":
			r.hint = attributes(value)["URI"]
		case "#EXT-X-RENDITION-REPORT":
			a := attributes(value)
			r.reports[a["URI"]] = hls.Position{MSN: toUint(t, a["LAST-MSN"]), Part: toUint(t, a["LAST-PART"])}
		case "#EXT-X-ENDLIST":
			r.ended = true
		default:
			if strings.HasPrefix(line, "#") || line == "" {
				t.Fatalf("unexpected line %q:\n%s", line, r.text)
			}
			s.msn, s.uri = next, line
			next++
			r.segments = append(r.segments, s)
			s = listed{init: s.init, sequence: s.sequence}
		}
	}
	r.open = s
	if r.ended != p.Ended {
		t.Errorf("Ended is %v, the text says %v", p.Ended, r.ended)
	}
	r.cross(t, p)
	return r
}

// cross compares with what gohlslib reads, from the compressed form.
func (r *reading) cross(t testing.TB, p *hls.Playlist) {
	t.Helper()
	var m playlist.Media
	if err := m.Unmarshal(unzip(t, p)); err != nil {
		t.Fatalf("gohlslib: %v\n%s", err, r.text)
	}
	if m.Version != r.version || m.Endlist != r.ended || len(m.Segments) != len(r.segments) || len(m.Parts) != len(r.open.parts) {
		t.Errorf("gohlslib reads version %d, %d segments, %d open parts, end %v; want %d, %d, %d, %v",
			m.Version, len(m.Segments), len(m.Parts), m.Endlist, r.version, len(r.segments), len(r.open.parts), r.ended)
	}
	for i, s := range m.Segments {
		if s.URI != r.segments[i].uri || s.DateTime == nil || s.Duration <= 0 || len(s.Parts) != len(r.segments[i].parts) {
			t.Errorf("gohlslib reads segment %+v, want %+v", s, r.segments[i])
		}
	}
	if hinted := m.PreloadHint != nil; hinted == r.ended || hinted && m.PreloadHint.URI != r.hint {
		t.Errorf("gohlslib reads hint %+v, want %q", m.PreloadHint, r.hint)
	}
}

func unzip(t testing.TB, p *hls.Playlist) []byte {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(p.Gzip()))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(text, p.Text()) {
		t.Errorf("gzip holds\n%s\nwant\n%s", text, p.Text())
	}
	return text
}

// last is the position of the last part that is listed.
func (r *reading) last() hls.Position {
	if n := len(r.open.parts); n > 0 {
		return hls.Position{MSN: r.next(), Part: uint64(n - 1)}
	}
	s := r.segments[len(r.segments)-1]
	return hls.Position{MSN: s.msn, Part: uint64(len(s.parts) - 1)}
}

// next is the msn of the open segment.
func (r *reading) next() uint64 { return r.segments[len(r.segments)-1].msn + 1 }
