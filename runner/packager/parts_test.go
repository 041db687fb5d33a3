package packager_test

import (
	"fmt"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pharos-live/pharos/internal/hls"
	"github.com/pharos-live/pharos/runner/packager"
)

// checkParts holds a rendition's parts to the rules of timing: numbers and times without holes, no
// part beyond PART-TARGET, every PTS as it was fed, decode time without holes. It returns how many
// parts are shorter than 85 % of PART-TARGET without an excuse.
func checkParts(r *rig, rendition int, name string, scale int64, target time.Duration) (short int) {
	r.t.Helper()
	parts, gaps := r.parts(rendition)
	var end time.Duration
	next := int64(-1)
	for i, p := range parts {
		if p.Number != uint64(i) || i > 0 && p.Start != end {
			r.t.Errorf("%s: part %d begins at %v; number %d at %v is next", name, p.Number, p.Start, i, end)
		}
		end = p.Start + p.Duration
		if p.Duration > target || p.Duration <= 0 {
			r.t.Errorf("%s: part %d lasts %v, want at most %v", name, p.Number, p.Duration, target)
		}
		last := i+1 == len(parts) || parts[i+1].MSN != p.MSN
		if !gaps[p.Number] && !last && !gaps[p.Number+1] && p.Duration*100 < target*85 {
			short++
		}
		if gaps[p.Number] {
			next = -1
			continue
		}
		for _, s := range r.body(name, p) {
			if next >= 0 && s.dts != next || s.duration <= 0 {
				r.t.Errorf("%s: part %d: frame is decoded at %d for %d, want %d", name, p.Number, s.dts, s.duration, next)
			}
			next = s.dts + s.duration
		}
		if got, want := next, int64(math.Round(end.Seconds()*float64(scale))); got != want {
			r.t.Errorf("%s: part %d ends at %d in its samples, at %d as announced", name, p.Number, got, want)
		}
	}
	checkCloses(r, rendition)
	return short
}

// checkCloses compares each segment's duration with the sum of its parts.
func checkCloses(r *rig, rendition int) {
	r.t.Helper()
	parts, _ := r.parts(rendition)
	sums := map[uint64]time.Duration{}
	for _, p := range parts {
		sums[p.MSN] += p.Duration
	}
	for _, e := range r.of(rendition) {
		c, ok := e.(hls.Close)
		if !ok {
			continue
		}
		if d := c.Duration - sums[c.MSN]; d < -time.Microsecond || d > time.Microsecond {
			r.t.Errorf("segment %d lasts %v, its parts %v", c.MSN, c.Duration, sums[c.MSN])
		}
		delete(sums, c.MSN)
	}
	for msn := range sums {
		r.t.Errorf("segment %d was never closed", msn)
	}
}

// pts returns all PTS of a rendition, in ticks, in the order of its parts.
func (r *rig) pts(rendition int, name string) []int64 {
	r.t.Helper()
	parts, gaps := r.parts(rendition)
	var out []int64
	for _, p := range parts {
		if gaps[p.Number] {
			continue
		}
		for _, s := range r.body(name, p) {
			out = append(out, s.pts)
		}
	}
	return out
}

func TestPackager_PartsKeepTheirBounds(t *testing.T) {
	t.Parallel()
	const length = 5 * time.Second
	gops := []time.Duration{2 * time.Second, 700 * time.Millisecond, time.Minute}
	for _, part := range []time.Duration{200 * time.Millisecond, 333 * time.Millisecond, time.Second} {
		for i, fps := range []float64{10, 11, 12, 12.5, 15, 20, 23.976, 24, 25, 27.5, 29.97, 30, 33, 48, 50, 59.94, 60, 75, 90, 100, 119.88, 120} {
			gop := gops[i%len(gops)]
			t.Run(fmt.Sprintf("%v parts of %v fps, GOP %v", part, fps, gop), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { partsKeepTheirBounds(t, part, fps, gop, length) })
			})
		}
	}
}

func partsKeepTheirBounds(t *testing.T, part time.Duration, fps float64, gop, length time.Duration) {
	var target time.Duration
	r := newRig(t, packager.Tracks{Source: sourceVideo(), ListSource: true, Audio: &packager.Audio{Config: stereo44k}}, nil,
		func(c *packager.Config, _ *packager.Options) {
			c.Part, target = part, max(part+16*time.Millisecond, part*105/100)
		})
	frames := steady(fps, gop, length)
	r.feed(r.video(frames), r.sound(44_100, 0, length.Milliseconds()))
	r.finish()
	if short := checkParts(r, 0, "source", 90_000, target); short > 0 && reaches(fps, target) {
		t.Errorf("%d parts are shorter than 85 %% of %v", short, target)
	}
	if short := checkParts(r, 1, "audio", 44_100, target); short > 0 {
		t.Errorf("audio: %d parts are shorter than 85 %% of %v", short, target)
	}
	got := r.pts(0, "source")
	if len(got) != len(frames) {
		t.Fatalf("got %d frames, want %d", len(got), len(frames))
	}
	for i, f := range frames {
		if got[i] != f.pts*90 {
			t.Fatalf("frame %d has PTS %d, want %d", i, got[i], f.pts*90)
		}
	}
}

// reaches tells whether a whole number of frames lasts between 85 % and all of target, with 3 ms to
// spare for timestamps in whole milliseconds.
func reaches(fps float64, target time.Duration) bool {
	n := math.Floor((target.Seconds() - 0.003) * fps)
	return n/fps >= target.Seconds()*0.85+0.002
}

func TestPackager_PartClosesOnItsLastFrame(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, packager.Tracks{Source: sourceVideo(), ListSource: true}, nil, nil)
		// Ten frames are a part: the tenth comes at 300 ms.
		r.feed(r.video(steady(30, 2*time.Second, 310*time.Millisecond)))
		synctest.Wait()
		if parts, _ := r.parts(0); len(parts) != 1 {
			t.Errorf("%d parts are announced with the tenth frame, want 1", len(parts))
		}
		r.finish()
	})
}

func TestPackager_AudioOfManyRatesKeepsItsBounds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rate int64
		asc  []byte
	}{{48_000, stereo48k}, {44_100, stereo44k}, {32_000, []byte{0x12, 0x90}}, {22_050, []byte{0x13, 0x90}}} {
		t.Run(fmt.Sprintf("%d Hz", c.rate), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, packager.Tracks{Audio: &packager.Audio{Config: c.asc}}, nil, nil)
				r.feed(r.sound(c.rate, 500, 9500))
				r.finish()
				if short := checkParts(r, 0, "audio", c.rate, 349_650*time.Microsecond); short > 0 {
					t.Errorf("%d parts are shorter than 85 %% of their target", short)
				}
				if got, want := r.starts(0), []int64{0, 2000, 4000, 6000, 8000}; !closeTo(got, want, 1024*500/c.rate+1) {
					t.Errorf("segments begin at %v, want %v, give or take half a frame", got, want)
				}
				if n := r.p.Stats().SilentFrames.Load() + r.p.Stats().DroppedFrames.Load(); n != 0 {
					t.Errorf("%d frames of steady audio were put in or left out, want none", n)
				}
			})
		})
	}
}
