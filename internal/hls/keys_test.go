package hls_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pharos-live/pharos/internal/hls"
)

func TestParseMediaKey_ReadsWhatIsWritten(t *testing.T) {
	t.Parallel()
	tests := []struct {
		key  string
		want hls.MediaKey
	}{
		{hls.PartKey("01J", "720p30", 0, 7), hls.MediaKey{Broadcast: "01J", Rendition: "720p30", Part: true, Term: 7}},
		{hls.PartKey("01J", "audio", 12, 1700000000000), hls.MediaKey{Broadcast: "01J", Rendition: "audio", Part: true, Number: 12, Term: 1700000000000}},
		{hls.SegmentKey("01J", "source", 3, 7), hls.MediaKey{Broadcast: "01J", Rendition: "source", Number: 3, Term: 7}},
	}
	for _, tt := range tests {
		got, ok := hls.ParseMediaKey(tt.key)
		if diff := cmp.Diff(tt.want, got); !ok || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", tt.key, ok, diff)
		}
		if got := hls.IsPartKey(tt.key); got != tt.want.Part {
			t.Errorf("IsPartKey(%s) is %v", tt.key, got)
		}
	}
}

// TestIsPartKey_TakesNothingElse guards what is deleted.
func TestIsPartKey_TakesNothingElse(t *testing.T) {
	t.Parallel()
	for _, key := range []string{
		"", "p1.7.m4s", "source/p1.7.m4s", "01J/source/sub/p1.7.m4s", "01J//p1.7.m4s", "/source/p1.7.m4s",
		"01J/source/p1.m4s", "01J/source/p1.7.mp4", "01J/source/p01.7.m4s", "01J/source/p1.07.m4s", "01J/source/p-1.7.m4s",
		"01J/source/p.7.m4s", "01J/source/p1.7.8.m4s", "01J/source/P1.7.m4s", "01J/source/q1.7.m4s", "01J/source/p1.7.m4s/",
		"01J/source/init-aa.mp4", "01J/source/index.m3u8", "01J/journal/7-1.json", "01J/source/poster1.7.jpg", "_channels/main.json",
	} {
		if k, ok := hls.ParseMediaKey(key); ok {
			t.Errorf("%q was read as %+v", key, k)
		}
		if hls.IsPartKey(key) {
			t.Errorf("%q is taken for a part", key)
		}
	}
	if hls.IsPartKey(hls.SegmentKey("01J", "source", 1, 7)) {
		t.Error("a segment is taken for a part")
	}
}

func TestPartAvailability_IsTwoPartWindows(t *testing.T) {
	t.Parallel()
	// "MUST serve the parts 3 TD longer" than they are listed, which is 3 TD.
	if got, want := hls.PartAvailability(4*time.Second), 24*time.Second; got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}
