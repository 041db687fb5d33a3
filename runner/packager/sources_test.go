package packager_test

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pharos-live/pharos/runner/packager"
)

// told is a Predictor that notes, in ms, which frames it is told of.
type told struct{ at []int64 }

func (p *told) Frame(pts time.Duration, key bool) (leaves, idr bool) {
	p.at = append(p.at, pts.Round(time.Millisecond).Milliseconds())
	return true, key
}

func ladderTracks() packager.Tracks {
	return packager.Tracks{
		Source: sourceVideo(), ListSource: true, Audio: &packager.Audio{Config: stereo48k},
		Rungs: []packager.Rung{{Name: "360p30", Width: 640, Height: 360, FrameRate: 30, Bitrate: 600_000}},
	}
}

func TestPackager_PredictorsKnowOnlyWhatTheEncoderTook(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, taken := &told{}, []int64(nil)
		r := newRig(t, ladderTracks(), []packager.Predictor{p}, func(_ *packager.Config, o *packager.Options) {
			o.Encode = func(s packager.Sample) bool {
				ms := s.PTS / 90
				if ms >= 1000 && ms < 6000 { // as an encoder that is behind until the next keyframe
					return false
				}
				taken = append(taken, ms)
				return true
			}
		})
		r.feed(r.video(keysAt(30, 8*time.Second, 0, 6000)))
		r.finish()
		if diff := cmp.Diff(taken, p.at); diff != "" {
			t.Errorf("the predictor is told of other frames than the encoder took (-taken +told):\n%s", diff)
		}
		if n := r.p.Stats().LateCuts.Load(); n != 1 {
			t.Errorf("%d cuts are late, want one, at 4 s, where the rung has no IDR", n)
		}
	})
}

// openGOPs is the frames of an encoder at 30 fps with two B-frames and an open group of pictures every
// 60, in decode order.
func openGOPs(frames int) []packager.Sample {
	order := []int{0}
	for anchor := 3; anchor < frames; anchor += 3 {
		order = append(order, anchor, anchor-2, anchor-1)
	}
	var out []packager.Sample
	for i, shown := range order {
		out = append(out, packager.Sample{
			DTS: int64(i) * 3000, PTS: int64(shown+2) * 3000, Key: shown%60 == 0, Open: shown > 0 && shown%60 == 0,
			Data: payload(shown, 100), Seq: uint64(i + 1),
		})
	}
	return out
}

func TestPackager_OpenGOPsAreCutAtTheirKeyframes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &told{}
		r := newRig(t, ladderTracks(), []packager.Predictor{p}, nil)
		frames := openGOPs(200)
		zero := frames[0].PTS
		var video, rung []input
		for _, s := range frames {
			video = append(video, input{s.DTS / 90, func() error { return r.p.Source(s) }})
			out := s
			out.DTS = s.PTS
			rung = append(rung, input{s.PTS/90 + 20, func() error { return r.p.Rung(0, out) }})
		}
		slices.SortStableFunc(rung, func(a, b input) int { return int(a.at - b.at) })
		r.feed(video, rung)
		r.finish()
		checkParts(r, 0, "source", 90_000, partTarget)
		checkParts(r, 1, "360p30", 90_000, partTarget)
		for i := range 2 {
			if got, want := r.starts(i), []int64{0, 2000, 4000, 6000}; !closeTo(got, want, 0) {
				t.Errorf("segments of rendition %d begin at %v, want %v", i, got, want)
			}
		}
		for _, s := range first(r, 0) {
			if s.Independent != (s.MSN == 0) {
				t.Errorf("segment %d of the source: independent is %v; only the first begins with an IDR", s.MSN, s.Independent)
			}
		}
		for _, s := range first(r, 1) {
			if !s.Independent {
				t.Errorf("segment %d of the rung is not independent", s.MSN)
			}
		}
		var want []int64
		for _, s := range frames {
			want = append(want, s.PTS-zero)
		}
		if diff := cmp.Diff(want, r.pts(0, "source")); diff != "" {
			t.Errorf("PTS of the source (-want +got):\n%s", diff)
		}
		// Of the pictures that are shown before a keyframe the predictor is not told behind it.
		if !slices.IsSorted(p.at) || len(p.at) != len(frames)-2*3 {
			t.Errorf("the predictor is told of %d frames at %v, want %d in order", len(p.at), p.at, len(frames)-2*3)
		}
	})
}

func TestPackager_AnOpenGOPAtTheStartLosesWhatCannotBeDecoded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, packager.Tracks{Source: sourceVideo(), ListSource: true}, nil, nil)
		frames := openGOPs(100)
		i := slices.IndexFunc(frames, func(s packager.Sample) bool { return s.Open })
		for _, s := range frames[i:] {
			if err := r.p.Source(s); err != nil {
				t.Fatal(err)
			}
		}
		r.finish()
		if got := r.pts(0, "source"); got[0] != 0 || slices.Min(got) < 0 {
			t.Errorf("PTS are %v, want none before the first keyframe's", got[:4])
		}
		if n := r.p.Stats().Headless.Load(); n != 2 {
			t.Errorf("%d frames are left out, want the two before the keyframe", n)
		}
	})
}

func TestPackager_AJumpOfMinutesIsAnError(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		feed func(r *rig, ms int64) error
	}{
		{"pictures", func(r *rig, ms int64) error {
			return r.p.Source(packager.Sample{DTS: ms * 90, PTS: ms * 90, Key: true, Data: payload(1, 100), Seq: 9})
		}},
		{"sound", func(r *rig, ms int64) error {
			return r.p.Audio(packager.Sample{DTS: ms * 90, PTS: ms * 90, Data: payload(1, 50), Seq: 9})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := avRig(t, nil)
				r.live(0, 2)
				if err := c.feed(r, 3_600_000); !errors.Is(err, packager.ErrJump) {
					t.Errorf("a jump of an hour gives %v, want %v", err, packager.ErrJump)
				}
				if err := c.feed(r, 60_000); err != nil {
					t.Errorf("a hole of a minute gives %v", err)
				}
				r.finish()
				for i := range 2 {
					if parts, _ := r.parts(i); len(parts) > 250 {
						t.Errorf("rendition %d has %d parts, want those of a minute at most", i, len(parts))
					}
				}
			})
		})
	}
}

func TestPackager_VideoThatNobodyAnnouncedIsLeftOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, packager.Tracks{Audio: &packager.Audio{Config: stereo48k}}, nil, nil)
		late := shift(steady(30, time.Second, 2*time.Second), 0, 3000)
		change := input{2999, func() error { return r.p.SetSource(testSPS, testPPS) }}
		r.feed(r.sound(48_000, 0, 5000), []input{change}, r.video(late))
		r.finish()
		if got, want := r.starts(0), []int64{0, 2000, 4000}; !closeTo(got, want, 11) {
			t.Errorf("segments begin at %v, want %v", got, want)
		}
		if got, want := r.p.Stats().DroppedFrames.Load(), uint64(len(late)); got != want {
			t.Errorf("%d frames are counted as dropped, want %d", got, want)
		}
	})
}

// TestPackager_SegmentsOfAllRungsBeginAtTheSameTick has rates and timestamps in whole milliseconds that
// make each rendition foresee the end of its parts a little differently.
func TestPackager_SegmentsOfAllRungsBeginAtTheSameTick(t *testing.T) {
	t.Parallel()
	for _, fps := range []float64{23.976, 25, 29.97, 30, 50, 59.94, 60} {
		synctest.Test(t, func(t *testing.T) {
			tracks := ladderTracks()
			tracks.Rungs = append(tracks.Rungs, packager.Rung{Name: "180p15", Width: 320, Height: 180, FrameRate: 15, Bitrate: 100_000})
			full, half := func() packager.Predictor { return rungAt(fps, 1, 2*time.Second) }, func() packager.Predictor { return rungAt(fps, 2, 2*time.Second) }
			r := newRig(t, tracks, []packager.Predictor{full(), half()}, nil)
			frames := steady(fps, 2*time.Second, 9*time.Second)
			r.feed(r.video(frames), r.rung(0, frames, full(), 3), r.rung(1, frames, half(), 7), r.sound(48_000, 0, 9000))
			r.finish()
			for i := range 3 {
				checkParts(r, i, []string{"source", "360p30", "180p15"}[i], 90_000, partTarget)
				want := first(r, 0)
				for j, s := range first(r, i) {
					if s.Start != want[j].Start {
						t.Errorf("%v fps: segment %d of rendition %d begins at %v, of the source at %v", fps, j, i, s.Start, want[j].Start)
					}
				}
			}
		})
	}
}
