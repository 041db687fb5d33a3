package packager_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pharos-live/pharos/internal/hls"
	"github.com/pharos-live/pharos/runner/packager"
)

const partTarget = 349_650 * time.Microsecond

func TestPackager_BFramesKeepTheirPTSAndSegmentsBeginWithTheirs(t *testing.T) {
	t.Parallel()
	for _, gop := range []time.Duration{2 * time.Second, 8333 * time.Millisecond} {
		t.Run("GOP "+gop.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { bFrames(t, gop) })
		})
	}
}

func bFrames(t *testing.T, gop time.Duration) {
	r := newRig(t, packager.Tracks{
		Source: sourceVideo(), ListSource: true,
		Rungs: []packager.Rung{{Name: "360p30", Width: 640, Height: 360, FrameRate: 30, Bitrate: 600_000}},
		Audio: &packager.Audio{Config: stereo48k},
	}, []packager.Predictor{rungAt(30, 1, 2*time.Second)}, nil)
	frames := withB(steady(30, gop, 9*time.Second))
	zero := frames[0].pts
	r.feed(r.video(frames), r.rung(0, frames, rungAt(30, 1, 2*time.Second), 20), r.sound(48_000, 0, 9066))
	r.finish()
	checkParts(r, 0, "source", 90_000, partTarget)
	checkParts(r, 1, "360p30", 90_000, partTarget)
	checkParts(r, 2, "audio", 48_000, partTarget)
	got := r.pts(0, "source")
	for i, f := range frames {
		if want := (f.pts - zero) * 90; got[i] != want {
			t.Fatalf("frame %d has PTS %d, want %d", i, got[i], want)
		}
	}
	for _, p := range first(r, 0) {
		s := r.body("source", p)[0]
		if d := s.pts - s.dts; s.key && (d > 90 || d < -90) {
			t.Errorf("segment %d begins with PTS %d, decoded at %d: want the same, to a millisecond", p.MSN, s.pts, s.dts)
		}
	}
	want := r.starts(0)
	if got := r.starts(1); !closeTo(got, want, 1) {
		t.Errorf("segments of the rung begin at %v, of the source at %v", got, want)
	}
	if got := r.starts(2); !closeTo(got[1:], want[1:], 12) || got[0] > 21 { // nothing was heard at 0
		t.Errorf("segments of the audio begin at %v, of the source at %v", got, want)
	}
	for _, p := range first(r, 1) {
		if !p.Independent {
			t.Errorf("segment %d of the rung does not begin with an IDR", p.MSN)
		}
	}
}

func TestPackager_DropsWhatComesBeforeTheFirstKeyframe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, packager.Tracks{Source: sourceVideo(), ListSource: true, Audio: &packager.Audio{Config: stereo48k}}, nil, nil)
		frames := keysAt(30, 3*time.Second, 500, 2500)
		frames[0].key = false
		r.feed(r.video(frames), r.sound(48_000, 0, 3000))
		r.finish()
		if got, want := r.pts(0, "source"), 75; len(got) != want || got[0] != 0 {
			t.Errorf("got %d frames from %d on, want %d from 0 on", len(got), got[0], want)
		}
		if got := r.p.Stats().Headless.Load(); got != 15 {
			t.Errorf("%d frames were left out, want 15", got)
		}
		// The first audio frame after 500 ms comes at 512 ms.
		if got := r.pts(1, "audio"); got[0] != 12*48 {
			t.Errorf("audio begins with sample %d, want %d", got[0], 12*48)
		}
	})
}

func TestPackager_RungFramesThatLagHoldUpNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, packager.Tracks{
			Source: sourceVideo(), ListSource: true, Audio: &packager.Audio{Config: stereo48k},
			Rungs: []packager.Rung{{Name: "360p30", Width: 640, Height: 360, FrameRate: 30, Bitrate: 600_000}},
		}, []packager.Predictor{rungAt(30, 1, 2*time.Second)}, nil)
		frames := steady(30, 2*time.Second, 6*time.Second)
		r.feed(r.video(frames), r.sound(48_000, 0, 6000)) // nothing at all from the rung
		synctest.Wait()
		for _, i := range []int{0, 2} {
			if parts, _ := r.parts(i); len(parts) < 17 {
				t.Errorf("rendition %d has %d parts after 6 s, want 17", i, len(parts))
			}
		}
		r.feed(r.rung(0, frames, rungAt(30, 1, 2*time.Second), 0))
		r.finish()
		if got, want := r.starts(1), []int64{0, 2000, 4000}; !closeTo(got, want, 1) {
			t.Errorf("segments of the rung begin at %v, want %v", got, want)
		}
	})
}

func TestPackager_StalledVideoGoesOnInGaps(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, packager.Tracks{Source: sourceVideo(), ListSource: true, Audio: &packager.Audio{Config: stereo48k}}, nil, nil)
		frames := steady(30, 2*time.Second, 12*time.Second)
		frames = slices.DeleteFunc(frames, func(f frame) bool { return f.dts >= 1200 && f.dts < 10_000 })
		video, sound := r.video(frames), r.sound(48_000, 0, 12_000)
		before := len(steady(30, 2*time.Second, 1200*time.Millisecond))
		r.feed(video[:before], sound[:int(9*48_000/1024)])
		synctest.Wait()
		parts, gaps := r.parts(0)
		if end := parts[len(parts)-1].Start + parts[len(parts)-1].Duration; end < 7600*time.Millisecond || len(gaps) < 18 {
			t.Errorf("at 9 s the stalled video has come to %v, with %d gaps, want 8 s less a part", end, len(gaps))
		}
		r.feed(video[before:], sound[int(9*48_000/1024):])
		r.finish()
		checkParts(r, 0, "source", 90_000, partTarget)
		checkParts(r, 1, "audio", 48_000, partTarget)
		if got, want := r.starts(0), []int64{0, 4000, 8000, 10_000}; !closeTo(got, want, 1) {
			t.Errorf("segments of the video begin at %v, want %v", got, want)
		}
		if got, want := r.starts(1), []int64{0, 4000, 8000, 10_000}; !closeTo(got, want, 11) {
			t.Errorf("segments of the audio begin at %v, want %v", got, want)
		}
		if got, want := len(r.pts(0, "source")), len(frames); got != want {
			t.Errorf("%d frames are packaged, want all %d", got, want)
		}
		for _, s := range r.older {
			if got, want := s.Gap, s.Rendition == 0 && (s.MSN == 1 || s.MSN == 2); got != want {
				t.Errorf("segment %d of rendition %d: gap is %v, want %v", s.MSN, s.Rendition, got, want)
			}
		}
	})
}

func TestPackager_SlowFramesLeaveGapsAndKeepTheTarget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, packager.Tracks{Source: sourceVideo(), ListSource: true}, nil, nil)
		frames := steady(1, 2*time.Second, 10*time.Second)
		r.feed(r.video(frames))
		r.finish()
		checkParts(r, 0, "source", 90_000, partTarget)
		if got, want := r.starts(0), []int64{0, 2000, 4000, 6000, 8000}; !closeTo(got, want, 1) {
			t.Errorf("segments begin at %v, want %v", got, want)
		}
	})
}

func TestPackager_VaryingRatesKeepTheTargetAndEveryPTS(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, packager.Tracks{Source: sourceVideo(), ListSource: true}, nil, nil)
		var frames []frame
		steps := []int64{16, 17, 100, 33, 5, 5, 250, 8, 40, 40, 700, 16, 16, 16}
		for i, at := 0, int64(0); at < 12_000; i++ {
			frames = append(frames, frame{dts: at, pts: at, key: i%40 == 0})
			at += steps[i%len(steps)]
		}
		r.feed(r.video(frames))
		r.finish()
		checkParts(r, 0, "source", 90_000, partTarget)
		got := r.pts(0, "source")
		for i, f := range frames {
			if got[i] != f.pts*90 {
				t.Fatalf("frame %d has PTS %d, want %d", i, got[i], f.pts*90)
			}
		}
	})
}

func TestPackager_UnlistedSourceOnlyCuts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, packager.Tracks{
			Source: sourceVideo(), Audio: &packager.Audio{Config: stereo48k},
			Rungs: []packager.Rung{{Name: "360p30", Width: 640, Height: 360, FrameRate: 30, Bitrate: 600_000}},
		}, []packager.Predictor{rungAt(30, 1, 2*time.Second)}, nil)
		var names []string
		for _, rendition := range r.p.Renditions() {
			names = append(names, rendition.Name)
		}
		if want := []string{"360p30", "audio"}; !slices.Equal(names, want) {
			t.Errorf("renditions are %v, want %v", names, want)
		}
		frames := steady(30, 2*time.Second, 5*time.Second)
		r.feed(r.video(frames), r.rung(0, frames, rungAt(30, 1, 2*time.Second), 15), r.sound(48_000, 0, 5000))
		r.finish()
		if got, want := r.starts(0), []int64{0, 2000, 4000}; !closeTo(got, want, 1) {
			t.Errorf("segments begin at %v, want %v", got, want)
		}
		for _, key := range r.store.keys() {
			if key[:len("b/source")] == "b/source" {
				t.Errorf("%s was uploaded", key)
			}
		}
	})
}

func TestPackager_NewSourceFormatIsADiscontinuityEverywhere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, packager.Tracks{
			Source: sourceVideo(), ListSource: true, Audio: &packager.Audio{Config: stereo48k},
			Rungs: []packager.Rung{{Name: "360p30", Width: 640, Height: 360, FrameRate: 30, Bitrate: 600_000}},
		}, []packager.Predictor{rungAt(30, 1, 2*time.Second)}, nil)
		frames := steady(30, 3*time.Second, 6*time.Second)
		video := r.video(frames)
		video[90].feed = func() error {
			if err := r.p.SetSource(testSPS, testPPS); err != nil { // the same: nothing happens
				return err
			}
			if err := r.p.SetSource(otherSPS, testPPS); err != nil {
				return err
			}
			return r.p.Source(packager.Sample{DTS: 270_000, PTS: 270_000, Key: true, Data: payload(90, 100), Seq: 91})
		}
		r.feed(video, r.rung(0, frames, rungAt(30, 1, 2*time.Second), 20), r.sound(48_000, 0, 6000))
		r.finish()
		for i, name := range []string{"source", "360p30", "audio"} {
			segments := first(r, i)
			if len(segments) != 2 {
				t.Fatalf("%s has %d segments, want 2", name, len(segments))
			}
			a, b := segments[0], segments[1]
			if a.Discontinuity || !b.Discontinuity {
				t.Errorf("%s: discontinuities are %v and %v, want one in front of the second segment", name, a.Discontinuity, b.Discontinuity)
			}
			if changed := a.Init != b.Init; changed != (i == 0) {
				t.Errorf("%s: init section changed is %v", name, changed)
			}
			if _, ok := r.store.get(hls.InitKey("b", name, b.Init)); !ok {
				t.Errorf("%s: init section %s is missing", name, b.Init)
			}
		}
	})
}

func TestPackager_VideoThatCountedAsStalledIsPackagedAllTheSame(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, packager.Tracks{Source: sourceVideo(), ListSource: true, Audio: &packager.Audio{Config: stereo48k}}, nil, nil)
		frames := steady(30, 2*time.Second, 12*time.Second)
		video := r.video(frames)
		for i := range video {
			if ms := video[i].at; ms >= 3000 && ms < 6000 { // as long as the audio goes on alone
				video[i].at = 6000
			}
		}
		r.feed(video, r.sound(48_000, 0, 12_000))
		r.finish()
		checkParts(r, 0, "source", 90_000, partTarget)
		checkParts(r, 1, "audio", 48_000, partTarget)
		got := r.pts(0, "source")
		slices.Sort(got)
		if len(got) != len(frames) {
			t.Fatalf("%d frames are packaged, want %d", len(got), len(frames))
		}
		for i, f := range frames {
			if got[i] != f.pts*90 {
				t.Errorf("frame %d has PTS %d, want %d", i, got[i], f.pts*90)
			}
		}
		if got := r.starts(0); !closeTo(got[len(got)-3:], []int64{6000, 8000, 10_000}, 40) {
			t.Errorf("segments begin at %v, want them at keyframes again in the end", got)
		}
	})
}

func TestPackager_RungThatBeginsLateBeginsWithGaps(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, packager.Tracks{
			Source: sourceVideo(), ListSource: true,
			Rungs: []packager.Rung{{Name: "360p30", Width: 640, Height: 360, FrameRate: 30, Bitrate: 600_000}},
		}, []packager.Predictor{rungAt(30, 1, 2*time.Second)}, nil)
		frames := steady(30, 2*time.Second, 6*time.Second)
		r.feed(r.video(frames), r.rung(0, frames, rungAt(30, 1, 2*time.Second), 20)[60:])
		r.finish()
		checkParts(r, 1, "360p30", 90_000, partTarget)
		if got, want := r.starts(1), []int64{0, 2000, 4000}; !closeTo(got, want, 1) {
			t.Errorf("segments begin at %v, want %v", got, want)
		}
		parts, gaps := r.parts(1)
		for _, p := range parts {
			if gaps[p.Number] != (p.MSN == 0) {
				t.Errorf("part %d of segment %d: gap is %v", p.Number, p.MSN, gaps[p.Number])
			}
		}
	})
}

func TestPackager_EmptyFramesAreLeftOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, packager.Tracks{Source: sourceVideo(), ListSource: true}, nil, nil)
		if err := r.p.Source(packager.Sample{Key: true}); err != nil {
			t.Errorf("an empty frame gives %v", err)
		}
		r.feed(r.video(steady(30, 2*time.Second, time.Second)))
		r.finish()
		if got := r.p.Stats().DroppedFrames.Load(); got != 1 {
			t.Errorf("%d frames are counted, want 1", got)
		}
	})
}
