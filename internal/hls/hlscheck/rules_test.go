package hlscheck_test

import (
	"encoding/binary"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pharos-live/pharos/internal/hls/hlscheck"
)

// Scripts that rows share.
var (
	usual  = script{segments: 9, open: 2, target: 2 * time.Second} // long enough for delta updates
	whole  = script{segments: 4, media: true}
	ending = script{segments: 4, open: 2, end: true}
)

func TestCheck_GoodBroadcastsBreakNoRule(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]script{
		"usual": usual, "whole": whole, "ending": ending,
		"with a discontinuity": {segments: 16, disc: 3, open: 2},
		"with a window":        {segments: 16, window: 12 * time.Second, media: true, disc: 3, end: true},
		"long":                 {segments: 8, parts: 12, media: false},
	} {
		for _, v := range play(t, c).check(hlscheck.Options{}) {
			t.Errorf("%s: %v", name, v)
		}
	}
}

// playlists are the answers with media playlists, of one rendition or of all.
func (s *show) playlists(rendition string) []*hlscheck.Fetch {
	var all []*hlscheck.Fetch
	for _, f := range s.fetches {
		if strings.HasPrefix(f.URL, base+rendition) && strings.Contains(f.URL, ".m3u8") && f.Status == 200 {
			all = append(all, f)
		}
	}
	return all
}

// pick is the nth answer whose URL contains what, from the end if n is negative.
func (s *show) pick(what string, n int) *hlscheck.Fetch {
	var all []*hlscheck.Fetch
	for _, f := range s.fetches {
		if strings.Contains(f.URL, what) {
			all = append(all, f)
		}
	}
	if n < 0 {
		n += len(all)
	}
	return all[n]
}

func edit(f *hlscheck.Fetch, old, text string) {
	was := string(f.Body)
	f.Body = []byte(strings.ReplaceAll(was, old, text))
}

// replace edits all media playlists of a rendition, or of all.
func (s *show) replace(rendition, old, text string) {
	s.t.Helper()
	done := false
	for _, f := range s.playlists(rendition) {
		done = done || strings.Contains(string(f.Body), old)
		edit(f, old, text)
	}
	if !done {
		s.t.Fatalf("no playlist has %q:\n%s", old, s.playlists(rendition)[0].Body)
	}
}

func (s *show) master(old, text string) {
	for n := range 2 {
		f := s.pick("/live/", n)
		if !strings.Contains(string(f.Body), old) {
			s.t.Fatalf("no %q in\n%s", old, f.Body)
		}
		edit(f, old, text)
	}
}

// only keeps playlists, and the files whose URLs end with one of names.
func (s *show) only(names ...string) {
	s.fetches = slices.DeleteFunc(s.fetches, func(f *hlscheck.Fetch) bool {
		return strings.Contains(f.URL, ".m") && !strings.Contains(f.URL, ".m3u8") &&
			!slices.ContainsFunc(names, func(n string) bool { return strings.HasSuffix(f.URL, n) })
	})
}

// dates moves all dates of a rendition, or of all.
func (s *show) dates(rendition string, by time.Duration, chosen func(time.Time) bool) {
	date := regexp.MustCompile(`DATE-TIME:(\S+)`)
	for _, f := range s.playlists(rendition) {
		f.Body = date.ReplaceAllFunc(f.Body, func(m []byte) []byte {
			at, err := time.Parse(time.RFC3339Nano, string(m[len("DATE-TIME:"):]))
			if err != nil {
				s.t.Fatal(err)
			}
			if chosen(at) {
				at = at.Add(by)
			}
			return []byte("DATE-TIME:" + at.Format("2006-01-02T15:04:05.000Z"))
		})
	}
}

func always(time.Time) bool { return true }

// media edits the bytes of every answer whose URL contains what.
func (s *show) media(what string, change func(b []byte)) {
	s.t.Helper()
	for _, f := range s.fetches {
		if strings.Contains(f.URL, what) && !strings.Contains(f.URL, ".m3u8") {
			change(f.Body)
		}
	}
}

// boxAt is the content of the nth box of a kind, wherever it stands.
func boxAt(b []byte, kind string, n int) []byte {
	at := 0
	for range n + 1 {
		at += strings.Index(string(b[at:]), kind) + len(kind)
	}
	return b[at:]
}

// shift moves the decode times of all fragments in b.
func shift(ticks int64) func(b []byte) {
	return func(b []byte) {
		for n := range strings.Count(string(b), "tfdt") {
			t := boxAt(b, "tfdt", n)[4:]
			binary.BigEndian.PutUint64(t, uint64(int64(binary.BigEndian.Uint64(t))+ticks))
		}
	}
}

// entryAt is the entry of a sample of the first fragment of video: duration, size,
// flags, and, if there is one, the composition offset.
func entryAt(b []byte, n int) []byte {
	trun := boxAt(b, "trun", 0)
	flags := binary.BigEndian.Uint32(trun) & 0xffffff
	size := 0
	for _, f := range []uint32{0x100, 0x200, 0x400, 0x800} {
		if flags&f != 0 {
			size += 4
		}
	}
	return trun[12+n*size:]
}

// TestCheck_EveryRule breaks good broadcasts in one rule each, and wants that rule
// named, and no other.
func TestCheck_EveryRule(t *testing.T) {
	t.Parallel()
	tested := map[string]bool{}
	for i, tt := range tests {
		tested[tt.rule] = true
		t.Run(fmt.Sprintf("%s %d", tt.rule, i), func(t *testing.T) {
			t.Parallel()
			s := play(t, tt.script)
			tt.breaks(s)
			var got []string
			var all []string
			for _, v := range s.check(tt.o) {
				got = append(got, v.Rule)
				all = append(all, v.String())
			}
			slices.Sort(got)
			if diff := cmp.Diff([]string{tt.rule}, slices.Compact(got)); diff != "" {
				t.Errorf("rules (-want +got):\n%s\n%s", diff, strings.Join(all[:min(len(all), 8)], "\n"))
			}
		})
	}
	for _, rule := range hlscheck.Rules() {
		if !tested[rule] {
			t.Errorf("no row breaks %s", rule)
		}
	}
}
