package ffmpeg_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pharos-live/pharos/runner/ffmpeg"
)

// A rateOf tells at which time, in milliseconds, the packet of a frame comes out; negative: never.
type rateOf func(frame int, in int64) int64

func atOnce(_ int, in int64) int64 { return in + 5 }

func TestGauge(t *testing.T) {
	t.Parallel()
	// half is an ffmpeg that works at half the source's pace.
	half := func(frame int, _ int64) int64 { return int64(frame)*66 + 50 }
	for _, tt := range []struct {
		name     string
		interval int64 // of the source, ms
		key      int   // frames
		holds    int
		every    int // the rung has one frame of so many
		out      rateOf
		sent     func(frame int) int64 // when a frame goes in; nil = at its time
		want     string                // what is found; "" = nothing in 20 s
		at       int64                 // when, at the latest, ms
		early    int64                 // never before, ms
	}{
		{name: "all is well", interval: 33, key: 60, every: 1, out: atOnce},
		{name: "one frame a second", interval: 1000, key: 2, every: 1, out: atOnce},
		{name: "every sixtieth frame", interval: 16, key: 120, every: 60, out: atOnce},
		{name: "B-frames are held back", interval: 33, key: 60, holds: 3, every: 1, out: func(_ int, in int64) int64 { return in + 105 }},
		{
			name: "nothing comes from the start", interval: 33, key: 60, every: 1, out: func(int, int64) int64 { return -1 },
			want: "stalled: 160 frames went in, and nothing came out of 360p30 for 5", early: 5000, at: 5300,
		},
		{
			name: "nothing comes after three seconds", interval: 33, key: 60, every: 1,
			out: func(_ int, in int64) int64 {
				if in > 3000 {
					return -1
				}
				return in + 5
			},
			want: "stalled: ", early: 5000, at: 5300,
		},
		{name: "half as fast as it should", interval: 33, key: 60, every: 1, out: half, want: "slower than its source: ", early: 7000, at: 7600},
		{
			name: "a lump at the start is caught up with", interval: 33, key: 60, every: 1,
			sent: func(frame int) int64 { return max(0, int64(frame)*33-8000) },
			out:  func(frame int, in int64) int64 { return max(in+5, int64(frame)*11+100) },
		},
		{
			name: "a source that is faster than time, and an ffmpeg that is too, but less", interval: 33, key: 600, every: 1,
			sent: func(frame int) int64 { return int64(frame) * 33 / 4 },
			out:  func(frame int, in int64) int64 { return max(in+5, int64(frame)*33/2) },
		},
		{
			name: "a source that pauses, and then comes in lumps", interval: 33, key: 60, every: 1, out: func(_ int, in int64) int64 { return in + 300 },
			sent: func(frame int) int64 {
				if frame > 100 {
					return int64(frame)*33/3000*3000 + 3000
				}
				return int64(frame) * 33
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			g := ffmpeg.NewGauge(2*time.Second, 5*time.Second, 3*time.Second, tt.holds, 1)
			began := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
			in, out := 0, 0
			for ms := int64(0); ms < 20_000; ms++ {
				now := began.Add(time.Duration(ms) * time.Millisecond)
				sent := func(frame int) int64 {
					if tt.sent != nil {
						return tt.sent(frame)
					}
					return int64(frame) * tt.interval
				}
				for ; sent(in) <= ms; in++ {
					g.Put(now, ffmpeg.Packet{PTS: int64(in) * tt.interval * 90, Key: in%tt.key == 0})
				}
				for out < in {
					at := tt.out(out, sent(out))
					if at < 0 || at > ms {
						break
					}
					if out%tt.every == 0 {
						g.Got(0, int64(out)*tt.interval*90)
					}
					out++
				}
				if ms%250 != 0 {
					continue
				}
				if err := g.Check(now, func(int) string { return "360p30" }); err != nil {
					if tt.want == "" || !strings.Contains(err.Error(), tt.want) || ms > tt.at || ms < tt.early {
						t.Fatalf("at %d ms: %v; want %q from %d to %d ms", ms, err, tt.want, tt.early, tt.at)
					}
					return
				}
			}
			if tt.want != "" {
				t.Errorf("nothing is found, want %q", tt.want)
			}
		})
	}
}

func TestGauge_JumpsOfTheSourceAreNoLag(t *testing.T) {
	t.Parallel()
	for _, jump := range []int64{3_600_000, -3_600_000} {
		g := ffmpeg.NewGauge(2*time.Second, 5*time.Second, 3*time.Second, 0, 1)
		now := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
		for i := range int64(300) {
			pts := 7_200_000 + i*33
			if i >= 150 {
				pts += jump
			}
			g.Put(now, ffmpeg.Packet{PTS: pts * 90, Key: i%50 == 0})
			if err := g.Check(now, func(i int) string { return fmt.Sprint(i) }); err != nil {
				t.Fatalf("jump of %d ms, frame %d: %v", jump, i, err)
			}
			g.Got(0, pts*90)
			now = now.Add(33 * time.Millisecond)
		}
	}
}
