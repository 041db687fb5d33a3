package packager_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pharos-live/pharos/runner/packager"
)

// cutTimes feeds frames, whose DTS stand for their places, and returns the cuts in milliseconds: those
// that are not at a keyframe as negative numbers.
func cutTimes(t *testing.T, c *packager.Cutter, frames []frame) []int64 {
	t.Helper()
	var out []int64
	known := int64(-1)
	for _, f := range frames {
		for _, cut := range c.Video(f.dts*90, f.key, true) {
			if cut.At <= known {
				t.Errorf("cut at %d was decided after %d was known", cut.At, known)
			}
			if cut.Number != uint64(len(out)) {
				t.Errorf("cut %d has number %d", len(out), cut.Number)
			}
			ms := cut.At / 90
			if !cut.Key {
				ms = -ms
			}
			out = append(out, ms)
		}
		if now := c.Known(); now < known {
			t.Errorf("known went back from %d to %d", known, now)
		}
		known = c.Known()
	}
	return out
}

// keysAt makes frames of steady fps whose keyframes are the first frames at or after the times in ms.
func keysAt(fps float64, length time.Duration, keys ...int64) []frame {
	frames := steady(fps, time.Hour, length)
	for _, k := range keys {
		i := slices.IndexFunc(frames, func(f frame) bool { return f.dts >= k })
		frames[i].key = true
	}
	return frames
}

// rungAt predicts a rung of each every-th frame of fps, with as many frames in a GOP as fit into segment.
func rungAt(fps float64, every int, segment time.Duration) *counter {
	return &counter{every: every, gop: int(segment.Seconds()*fps/float64(every) + 1e-6)}
}

func TestCutter(t *testing.T) {
	t.Parallel()
	const s = time.Second
	type predictors = []packager.Predictor
	for _, c := range []struct {
		name            string
		segment, target time.Duration
		fps             float64
		frames          []frame
		predictors      predictors
		want            []int64 // ms; negative: not at a keyframe
		late, uneven    uint64
	}{
		{
			name: "GOP of a segment", segment: 2 * s, target: 4 * s, fps: 60,
			frames: steady(60, 2*s, 9*s), want: []int64{0, 2000, 4000, 6000, 8000},
		},
		{
			name: "GOP of a segment, with a rung", segment: 2 * s, target: 4 * s, fps: 60,
			frames: steady(60, 2*s, 9*s), predictors: predictors{rungAt(60, 2, 2*s)}, want: []int64{0, 2000, 4000, 6000, 8000},
		},
		{
			name: "GOP of half a second", segment: 2 * s, target: 4 * s, fps: 30,
			frames: steady(30, s/2, 7*s), predictors: predictors{rungAt(30, 1, 2*s)}, want: []int64{0, 2000, 4000, 6000},
		},
		{
			name: "GOP of half a second, target is the segment", segment: 2 * s, target: 2 * s, fps: 30,
			frames: steady(30, s/2, 7*s), predictors: predictors{rungAt(30, 1, 2*s)}, want: []int64{0, 2000, 4000, 6000},
		},
		{
			name: "250 frames of 30 fps, with a rung", segment: 2 * s, target: 4 * s, fps: 30,
			frames: steady(30, 8333*time.Millisecond, 18*s), predictors: predictors{rungAt(30, 1, 2*s)},
			want: []int64{0, -4000, -8000, 8333, -12333, -16333, 16666},
		},
		{
			name: "250 frames of 30 fps, without rungs", segment: 2 * s, target: 4 * s, fps: 30,
			frames: steady(30, 8333*time.Millisecond, 18*s),
			want:   []int64{0, -4000, -8000, 8333, -12333, -16333, 16666},
		},
		{
			name: "29.97 fps in GOPs of 2 s", segment: 2 * s, target: 4 * s, fps: 29.97,
			frames: steady(29.97, 2*s, 9*s), predictors: predictors{rungAt(29.97, 1, 2*s)}, want: []int64{0, 2002, 4004, 6006, 8008},
		},
		{
			name: "29.97 fps in GOPs of 4 s and a little waits for the keyframe", segment: 2 * s, target: 4 * s, fps: 29.97,
			frames: steady(29.97, 4*s, 9*s), predictors: predictors{rungAt(29.97, 1, 2*s)}, want: []int64{0, 4004, 8008},
		},
		{
			name: "29.97 fps without end", segment: 2 * s, target: 4 * s, fps: 29.97,
			frames: steady(29.97, time.Hour, 9*s), predictors: predictors{rungAt(29.97, 1, 2*s)},
			want: []int64{0, -3937, -7874}, // the 118th and the 236th frame
		},
		{
			name: "rungs at 30 of 59.94 fps, not even with one at 59.94", segment: 2 * s, target: 4 * s, fps: 59.94,
			frames: steady(59.94, time.Hour, 9*s), predictors: predictors{rungAt(59.94, 1, 2*s), rungAt(59.94, 2, 2*s)},
			want: []int64{0, -3970, -7941}, uneven: 2,
		},
		{
			// After 3000 the rungs' IDRs are out of step: the one at 5000 is the last in time, and at
			// that moment nobody knows of 6000.
			name: "irregular keyframes", segment: 2 * s, target: 4 * s, fps: 25,
			frames: keysAt(25, 14*s, 0, 700, 2500, 3000, 6000, 9900, 11000), predictors: predictors{rungAt(25, 1, 2*s)},
			want: []int64{0, 2520, -5000, 6000, 9920, -13_000},
		},
		{
			name: "keyframes of 3 s", segment: 2 * s, target: 4 * s, fps: 30,
			frames: steady(30, 3*s, 10*s), predictors: predictors{rungAt(30, 1, 2*s)}, want: []int64{0, 3000, 6000, 9000},
		},
		{
			name: "keyframes of 1.5 s, target is the segment", segment: 2 * s, target: 2 * s, fps: 30,
			frames: steady(30, 1500*time.Millisecond, 5*s), predictors: predictors{rungAt(30, 1, 2*s)}, want: []int64{0, 1500, 3000, 4500},
		},
		{
			name: "keyframes of 1999 ms count as 2 s", segment: 2 * s, target: 4 * s, fps: 25,
			frames: shift(steady(25, 2*s, 7*s), 2000, -1), want: []int64{0, 1999, 3999, 5999},
		},
		{
			name: "the source slows down, and the IDR is not on time", segment: 2 * s, target: 4 * s, fps: 30,
			frames: steady(9, time.Hour, 9*s), predictors: predictors{rungAt(30, 1, 2*s)},
			want: []int64{0, -4000, -6666}, late: 1, // the second time there is an IDR, at the 60th frame
		},
		{
			name: "a hole of 9 s", segment: 2 * s, target: 4 * s, fps: 30,
			frames: append(steady(30, 2*s, s), shift(steady(30, 2*s, 3*s), 0, 10_000)...),
			want:   []int64{0, -4000, -8000, 10_000, 12_000}, late: 2,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var stats packager.Stats
			cu := packager.NewCutter(packager.Config{Segment: c.segment, TargetDuration: c.target}, c.fps, c.predictors, &stats)
			got := cutTimes(t, cu, c.frames)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("cuts (-want +got):\n%s", diff)
			}
			if got := stats.UnevenCuts.Load(); got != c.uneven {
				t.Errorf("%d cuts are uneven, want %d", got, c.uneven)
			}
			if got := stats.LateCuts.Load(); got != c.late {
				t.Errorf("%d cuts are late, want %d", got, c.late)
			}
			if got, want := stats.ForcedCuts.Load(), negatives(c.want); got != want {
				t.Errorf("%d cuts are forced, want %d", got, want)
			}
		})
	}
}

func negatives(times []int64) (n uint64) {
	for _, t := range times {
		if t < 0 {
			n++
		}
	}
	return n
}

// shift moves the frames from a time on by some milliseconds.
func shift(frames []frame, from, by int64) []frame {
	for i := range frames {
		if frames[i].dts >= from {
			frames[i].dts += by
			frames[i].pts += by
		}
	}
	return frames
}

func TestCutter_SegmentsOfVaryingRatesStayWithinTheTarget(t *testing.T) {
	t.Parallel()
	// 8 to 60 fps, changing with time, and no keyframe but the first.
	frames := []frame{{key: true}}
	for at := 0.0; at < 60_000; {
		fps := 34 + 26*math.Sin(at/5000)
		at += 1000 / fps
		frames = append(frames, frame{dts: int64(at)})
	}
	for _, predictors := range [][]packager.Predictor{nil, {rungAt(30, 1, 2*time.Second)}, {rungAt(60, 2, 2*time.Second), rungAt(60, 1, 2*time.Second)}} {
		cu := packager.NewCutter(testConfig(), 0, predictors, nil)
		cuts := cutTimes(t, cu, frames)
		for i := 1; i < len(cuts); i++ {
			if d := cuts[i-1] - cuts[i]; d > 4006 || d < 1000 { // all but the first are negative
				t.Errorf("with %d rungs, segment %d lasts %d ms, want at most 4 s", len(predictors), i-1, d)
			}
		}
		if len(cuts) < 14 {
			t.Errorf("with %d rungs, %d cuts in a minute, want 15 and more", len(predictors), len(cuts))
		}
	}
}

func TestCutter_AudioMovesTheClockWhenVideoStalls(t *testing.T) {
	t.Parallel()
	var stats packager.Stats
	cu := packager.NewCutter(testConfig(), 30, nil, &stats)
	for _, f := range steady(30, 2*time.Second, time.Second) {
		cu.Video(f.dts*90, f.key, true)
	}
	var got []int64
	for ms := int64(0); ms < 10_000; ms += 21 {
		for _, c := range cu.Audio(ms * 90) {
			got = append(got, c.At/90)
			if late := ms - 1000; c.At/90 > late {
				t.Errorf("cut at %d ms, when audio was at %d", c.At/90, ms)
			}
		}
	}
	if diff := cmp.Diff([]int64{4000, 8000}, got); diff != "" {
		t.Errorf("cuts (-want +got):\n%s", diff)
	}
	if cuts := cu.Video(9500*90, true, true); len(cuts) != 1 || cuts[0].At != 9500*90 || !cuts[0].Key {
		t.Errorf("the keyframe after the stall gives %v, want a cut there", cuts)
	}
}

func TestCutter_AudioAloneIsCutByTime(t *testing.T) {
	t.Parallel()
	cu := packager.NewAudioCutter(testConfig(), nil)
	var got []int64
	for i := range int64(300) {
		for _, c := range cu.Audio((i*1024 + 512) * 90_000 / 48_000) {
			got = append(got, c.At/90)
		}
	}
	if diff := cmp.Diff([]int64{0, 2000, 4000, 6000}, got); diff != "" {
		t.Errorf("cuts (-want +got):\n%s", diff)
	}
}

func TestCutter_RenewCutsAtTheNextKeyframe(t *testing.T) {
	t.Parallel()
	cu := packager.NewCutter(testConfig(), 30, nil, nil)
	var got []packager.Cut
	for i, f := range steady(30, 500*time.Millisecond, 2*time.Second) {
		if i == 20 {
			cu.Renew()
		}
		got = append(got, cu.Video(f.dts*90, f.key, true)...)
	}
	want := []packager.Cut{{Key: true}, {Number: 1, At: 90_000, Key: true, Discontinuity: true}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("cuts (-want +got):\n%s", diff)
	}
}
