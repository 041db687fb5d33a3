package packager

import (
	"testing"
	"time"

	"github.com/pharos-live/pharos/internal/hls"
)

func TestBuilder_FullIsAtTheFrameEndNearestToTheGrid(t *testing.T) {
	t.Parallel()
	const ms = 90
	for _, c := range []struct {
		name         string
		kind         hls.Kind
		base, end, d int64 // ms; the segment began at 0, parts are nominally 333 ms and at most 349.65
		want         bool
	}{
		{"before the grid, and the next is nearer", hls.Video, 0, 300, 33, false},
		{"before the grid, and the next is farther", hls.Video, 0, 320, 40, true},
		{"on the grid", hls.Video, 0, 333, 16, true},
		{"the second point of the grid counts from the segment", hls.Video, 340, 660, 10, false},
		{"the second point of the grid is reached", hls.Video, 340, 666, 10, true},
		{"below 85 % of the longest, though the grid is reached", hls.Video, 380, 667, 20, false},
		{"the next frame would not fit, though it is short", hls.Video, 0, 180, 180, true},
		{"the next frame would fit, if it did not come a little late", hls.Video, 0, 300, 49, true},
		{"audio never comes late", hls.Audio, 0, 300, 49, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBuilder(Config{Part: 333 * time.Millisecond}, 0, c.kind, videoScale, nil)
			b.base = c.base * ms
			if got := b.full(c.end*ms, c.d*ms); got != c.want {
				t.Errorf("from %d to %d ms, with frames of %d ms: full is %v, want %v", c.base, c.end, c.d, got, c.want)
			}
		})
	}
}
