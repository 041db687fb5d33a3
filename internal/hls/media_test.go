package hls_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pharos-live/pharos/internal/hls"
)

// TestMedia_Rules takes the rules of a media playlist one by one, where the
// goldens and the walk do not say it plainly. The names are those of the research.
func TestMedia_Rules(t *testing.T) {
	t.Parallel()
	rule := func(name string, f func(t *testing.T)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t)
		})
	}
	rule("pl.server-control", func(t *testing.T) {
		take := takeOf(source)
		take.PartTarget = 333_333_450 * time.Nanosecond // is printed rounded down, and multiplied after
		b, w := begun(t, take)
		apply(t, b, w[0].segments(1)...)
		got := media(t, b, "source", hls.Directives{}).constants
		want := "#EXT-X-TARGETDURATION:4\n" +
			"#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=24.000000,HOLD-BACK=12.000000,PART-HOLD-BACK=0.999999\n" +
			"#EXT-X-PART-INF:PART-TARGET=0.333333\n"
		if got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	})
	rule("pl.constant", func(t *testing.T) {
		b, w := begun(t, takeOf(source, sound))
		apply(t, b, append(w[0].segments(1), w[1].segments(1)...)...)
		want := media(t, b, "source", hls.Directives{}).constants
		apply(t, b, append(w[0].segments(30), w[1].segments(30)...)...)
		all := []reading{media(t, b, "source", skip), media(t, b, "audio", hls.Directives{})}
		apply(t, b, hls.End{})
		for _, r := range append(all, media(t, b, "audio", hls.Directives{})) {
			if r.constants != want {
				t.Errorf("got\n%s\nwant\n%s", r.constants, want)
			}
		}
	})
	rule("pl.window", func(t *testing.T) {
		tests := []struct {
			window time.Duration
			want   int // complete segments of 2 s, with 4 s as target duration
		}{
			{0, 6}, {5 * time.Second, 6}, {12 * time.Second, 6}, {13 * time.Second, 7}, {30 * time.Second, 15},
		}
		for _, tt := range tests {
			b, w := begun(t, sliding(takeOf(source), tt.window))
			apply(t, b, w[0].segments(50)...)
			if got := media(t, b, "source", hls.Directives{}); len(got.segments) != tt.want || got.mediaSequence != uint64(50-tt.want) {
				t.Errorf("window %v: got %d segments from %d, want %d", tt.window, len(got.segments), got.mediaSequence, tt.want)
			}
		}
	})
	rule("pl.window: six segments, though three target durations are less", func(t *testing.T) {
		take := sliding(takeOf(source), 0)
		take.TargetDuration = 2 * time.Second
		b, w := begun(t, take)
		apply(t, b, w[0].segments(20)...)
		if got := media(t, b, "source", hls.Directives{}); len(got.segments) != 6 {
			t.Errorf("got %d segments, want 6", len(got.segments))
		}
	})
	rule("pl.window: three target durations of short segments", func(t *testing.T) {
		b, w := begun(t, sliding(takeOf(source), 0))
		for range 100 {
			apply(t, b, w[0].part(), w[0].close())
		}
		got, sum := media(t, b, "source", hls.Directives{}), 0.0
		for _, s := range got.segments {
			sum += s.extinf
		}
		if sum < 11.9999 || sum > 12.4 {
			t.Errorf("got %v s of segments, want 12", sum)
		}
	})
	rule("seg.sum", func(t *testing.T) {
		// A third of a second is no number of microseconds; the sum of any run is
		// nevertheless true to one.
		b, w := begun(t, takeOf(source))
		for range 1000 {
			apply(t, b, w[0].part(), w[0].close())
		}
		got, sum := media(t, b, "source", hls.Directives{}), 0.0
		for i, s := range got.segments {
			sum += s.extinf
			if want := float64(i+1) / 3; math.Abs(sum-want) > 2e-6 {
				t.Fatalf("after %d segments got %v s, want %v", i+1, sum, want)
			}
		}
	})
	rule("part.max", func(t *testing.T) {
		b, w := begun(t, takeOf(source))
		long := w[0].part()
		long.Duration = 351 * time.Millisecond
		apply(t, b, long, w[0].close())
		got := media(t, b, "source", hls.Directives{})
		checkPlaylist(t, &got, takeOf(source))
	})
	rule("pl.target", func(t *testing.T) {
		b, w := begun(t, takeOf(source))
		apply(t, b, w[0].part(), hls.Close{Duration: 4600 * time.Millisecond})
		got := media(t, b, "source", hls.Directives{})
		checkPlaylist(t, &got, takeOf(source))
	})
	rule("part.window", func(t *testing.T) {
		b, w := begun(t, takeOf(source))
		apply(t, b, w[0].segments(20)...)
		var got []uint64
		for _, s := range media(t, b, "source", hls.Directives{}).segments {
			if len(s.parts) > 0 {
				got = append(got, s.msn)
			}
		}
		if diff := cmp.Diff([]uint64{14, 15, 16, 17, 18, 19}, got); diff != "" {
			t.Errorf("segments with parts (-want +got):\n%s", diff)
		}
	})
	rule("pl.map: the one in force is said first, the same again is not said", func(t *testing.T) {
		b, w := begun(t, sliding(takeOf(source), 12*time.Second))
		apply(t, b, w[0].segments(3)...)
		w[0].init = "bb"
		apply(t, b, w[0].segments(8)...)
		if got := strings.Count(media(t, b, "source", hls.Directives{}).text, "EXT-X-MAP:URI=\"init-bb.mp4\""); got != 1 {
			t.Errorf("got %d maps, want 1", got)
		}
	})
	rule("pl.map: it is repeated at a discontinuity, and kept by a gap that does not know it", func(t *testing.T) {
		b, w := begun(t, takeOf(source))
		apply(t, b, w[0].segments(1)...)
		w[0].disc = true
		apply(t, b, w[0].segments(1)...)
		w[0].init = ""
		apply(t, b, w[0].gap(), w[0].close())
		w[0].init = "aa"
		apply(t, b, w[0].segments(1)...)
		got := media(t, b, "source", hls.Directives{})
		if n := strings.Count(got.text, "EXT-X-MAP"); n != 2 || got.segments[3].init != "init-aa.mp4" {
			t.Errorf("got %d maps, want 2:\n%s", n, got.text)
		}
	})
	rule("align.disc", func(t *testing.T) {
		b, w := begun(t, sliding(takeOf(source), 12*time.Second))
		apply(t, b, w[0].segments(2)...)
		w[0].disc = true
		apply(t, b, w[0].segments(6)...) // segment 2 is the first
		before := media(t, b, "source", hls.Directives{})
		apply(t, b, w[0].segments(1)...)
		after := media(t, b, "source", hls.Directives{})
		if before.discontinuities != 0 || !before.segments[0].disc || after.discontinuities != 1 || after.segments[0].disc {
			t.Errorf("got\n%s\nthen\n%s", before.text, after.text)
		}
	})
	rule("report.truth", func(t *testing.T) {
		b, w := begun(t, takeOf(source, rung, sound))
		apply(t, b, append(append(w[0].segments(2), w[1].segments(2)...), w[2].segments(1)...)...)
		apply(t, b, w[1].part(), w[1].part(), w[2].part())
		got := media(t, b, "source", hls.Directives{}).reports
		want := map[string]hls.Position{
			"../720p30/index.m3u8": {MSN: 2, Part: 1},
			"../audio/index.m3u8":  {MSN: 1, Part: 0},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		// Another rendition's part shows at once.
		apply(t, b, w[2].part())
		if got := media(t, b, "source", hls.Directives{}).reports["../audio/index.m3u8"]; got != (hls.Position{MSN: 1, Part: 1}) {
			t.Errorf("got %v, want 1.1", got)
		}
	})
	rule("skip.boundary", func(t *testing.T) {
		for n, want := range map[int]uint64{11: 0, 12: 0, 13: 1, 14: 2, 40: 28} {
			b, w := begun(t, takeOf(source))
			apply(t, b, append(w[0].segments(n), w[0].part())...)
			got := media(t, b, "source", skip)
			if got.skipped != want {
				t.Errorf("of %d segments got %d skipped, want %d", n, got.skipped, want)
			}
			if full := media(t, b, "source", hls.Directives{}); want == 0 && got.text != full.text {
				t.Errorf("nothing can be skipped, yet it is not the full playlist:\n%s", got.text)
			}
		}
	})
	rule("skip.delta: with blocking parameters, not after the end", func(t *testing.T) {
		b, w := begun(t, takeOf(source))
		apply(t, b, w[0].segments(20)...)
		d := msn(19)
		d.Skip = true
		if got := media(t, b, "source", d); got.skipped != 8 {
			t.Errorf("got %d skipped, want 8", got.skipped)
		}
		apply(t, b, hls.End{})
		if got := media(t, b, "source", d); got.skipped != 0 || !got.ended {
			t.Errorf("got a delta update after the end:\n%s", got.text)
		}
	})
	rule("reload.same: one state, one playlist", func(t *testing.T) {
		b, w := begun(t, takeOf(source))
		apply(t, b, w[0].segments(1)...)
		p, _ := b.Media(now(), "source", hls.Directives{})
		q, _ := b.Media(now(), "source", msn(0))
		if p != q || &p.Gzip()[0] != &q.Gzip()[0] {
			t.Error("the same state was rendered twice")
		}
		apply(t, b, w[0].part())
		if q, _ = b.Media(now(), "source", msn(0)); p == q {
			t.Error("another state is the same playlist")
		}
	})
	rule("end.clean, end.endlist", func(t *testing.T) {
		b, w := begun(t, takeOf(source, sound))
		apply(t, b, append(append(w[0].segments(2), w[1].segments(2)...), w[0].part())...)
		was := media(t, b, "source", hls.Directives{})
		apply(t, b, hls.End{})
		got := media(t, b, "source", hls.Directives{})
		checkPlaylist(t, &got, takeOf(source, sound))
		checkLater(t, &was, &got)
		if !got.ended || !media(t, b, "audio", hls.Directives{}).ended || len(got.segments) != 3 || !b.Ended() {
			t.Errorf("got\n%s", got.text)
		}
	})
	rule("end.directives", func(t *testing.T) {
		b, w := begun(t, takeOf(source))
		apply(t, b, append(w[0].segments(2), hls.End{})...)
		for _, d := range []hls.Directives{msn(0), msn(99), partOf(2, 500), skip} {
			if got := media(t, b, "source", d); !got.ended {
				t.Errorf("%+v: got\n%s", d, got.text)
			}
		}
	})
	rule("an unknown rendition, and one that never had a segment", func(t *testing.T) {
		b, _ := begun(t, takeOf(source))
		if _, err := b.Media(now(), "4k", hls.Directives{}); !errors.Is(err, hls.ErrNotFound) {
			t.Errorf("got %v, want ErrNotFound", err)
		}
		apply(t, b, hls.End{})
		if _, err := b.Media(now(), "source", hls.Directives{}); !errors.Is(err, hls.ErrNotFound) {
			t.Errorf("got %v, want ErrNotFound", err)
		}
	})
}

// TestBroadcast_Facts asks for what web reads besides playlists.
func TestBroadcast_Facts(t *testing.T) {
	t.Parallel()
	b := hls.NewBroadcast(broadcast)
	if got := fmt.Sprint(b.TargetDuration(), b.Renditions(), b.Ended()); got != "0s [] false" {
		t.Errorf("before the take got %s", got)
	}
	w := newWriter(0)
	apply(t, b, takeOf(source))
	if _, ok := b.Edge("source"); ok || b.TargetDuration() != 4*time.Second {
		t.Errorf("edge %v, target %v", ok, b.TargetDuration())
	}
	if diff := cmp.Diff([]hls.Rendition{source}, b.Renditions()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	var got []hls.Position
	for _, events := range [][]hls.Event{{w.part()}, {w.part()}, {w.close()}, {w.part()}} {
		apply(t, b, events...)
		at, _ := b.Edge("source")
		got = append(got, at)
	}
	if diff := cmp.Diff([]hls.Position{{MSN: 0, Part: 0}, {MSN: 0, Part: 1}, {MSN: 0, Part: 1}, {MSN: 1, Part: 0}}, got); diff != "" {
		t.Errorf("edges (-want +got):\n%s", diff)
	}
	if _, ok := b.Edge("4k"); ok {
		t.Error("an unknown rendition has an edge")
	}
}
