package main

import (
	"bufio"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pharos-live/pharos/internal/hls"
)

// TestParsePlaylist_ReadsWhatTheModelRenders plays a reel into the model: one segment is closed, and
// two parts of the next are there.
func TestParsePlaylist_ReadsWhatTheModelRenders(t *testing.T) {
	t.Parallel()
	b := hls.NewBroadcast("b")
	events := []hls.Event{hls.Take{
		Renditions: []hls.Rendition{
			{Name: "source", Kind: hls.Video, Codecs: "avc1.640020"},
			{Name: "audio", Kind: hls.Audio, Codecs: "mp4a.40.2"},
		},
		TargetDuration: 4 * time.Second, PartTarget: 350 * time.Millisecond, Window: time.Minute,
	}}
	for n := range uint64(reelParts + 2) {
		events = append(append(events, reelEvents(0, n)...), reelEvents(1, n)...)
	}
	if err := b.Apply(events...); err != nil {
		t.Fatal(err)
	}
	rendered, err := b.Media(t.Context(), "source", hls.Directives{})
	if err != nil {
		t.Fatal(err)
	}
	got, err := parsePlaylist(string(rendered.Text()))
	if err != nil {
		t.Fatal(err)
	}
	want := playlist{msn: 1, part: 2}
	for n := range uint64(reelParts + 2) {
		want.parts = append(want.parts, listedPart{number: n, duration: 333_333 * time.Microsecond})
	}
	// The model rounds to microseconds, and the parser through a float.
	near := cmp.Comparer(func(a, b time.Duration) bool { return (a - b).Abs() < 2*time.Microsecond })
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(playlist{}, listedPart{}), near); diff != "" {
		t.Errorf("playlist (-want +got):\n%s\n%s", diff, rendered.Text())
	}
}

func TestParsePlaylist_EndsAndGaps(t *testing.T) {
	t.Parallel()
	if p, err := parsePlaylist("#EXTM3U\n#EXTINF:2.0,\ns0.m4s\n#EXT-X-ENDLIST\n"); err != nil || !p.ended || p.msn != 1 {
		t.Errorf("got %+v, %v, want an ended playlist of one segment", p, err)
	}
	if _, err := parsePlaylist("#EXT-X-PART:DURATION=0.3,URI=\"p7.m4s\",GAP=YES\n"); err == nil || !strings.Contains(err.Error(), "part 7 is a gap") {
		t.Errorf("got %v, want the gap named", err)
	}
}

func TestReadHead(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, in       string
		status, length int
		bad            bool
	}{
		{"a playlist", "HTTP/1.1 200 OK\r\nContent-Type: x\r\ncontent-length: 412\r\n\r\nrest", 200, 412, false},
		{"a refusal", "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", 503, 0, false},
		{"no length", "HTTP/1.1 200 OK\r\n\r\n", 0, 0, true},
		{"a length that is none", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", 0, 0, true},
		{"cut off", "HTTP/1.1 200 OK\r\nContent-Le", 0, 0, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			status, length, err := readHead(bufio.NewReader(strings.NewReader(tt.in)))
			if (err != nil) != tt.bad {
				t.Fatalf("got error %v, want one: %v", err, tt.bad)
			}
			if !tt.bad && (status != tt.status || length != tt.length) {
				t.Errorf("got %d, %d, want %d, %d", status, length, tt.status, tt.length)
			}
		})
	}
}
