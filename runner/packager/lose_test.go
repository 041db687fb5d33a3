package packager_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pharos-live/pharos/internal/hls"
	"github.com/pharos-live/pharos/runner/packager"
)

var oneRung = packager.Tracks{
	Source: sourceVideo(), ListSource: true, Audio: &packager.Audio{Config: stereo48k},
	Rungs: []packager.Rung{{Name: "360p30", Width: 640, Height: 360, FrameRate: 30, Bitrate: 600_000}},
}

// losing feeds a rung whose encoder ends at from and is there again at to, both in milliseconds. found is
// when that is noticed: from then on the packager is told of each frame that is lost.
func losing(r *rig, frames []frame, from, found, to int64) []input {
	return losingAhead(r, frames, from, found, to, 0)
}

// losingAhead tells of frames that are lost so many milliseconds before the source has come to them.
func losingAhead(r *rig, frames []frame, from, found, to, ahead int64) []input {
	var out []input
	for _, in := range r.rung(0, frames, rungAt(30, 1, 2*time.Second), 0) {
		switch at := in.at; {
		case at < from, at >= to:
			in.at += 20
			out = append(out, in)
		case at >= found:
			out = append(out, input{at + 1, func() error { return r.p.LoseRung(0, (at+ahead)*90) }})
		}
	}
	return out
}

func TestLoseRung_BecomesGapsAndGoesOnAtTheKeyframe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, oneRung, []packager.Predictor{rungAt(30, 1, 2*time.Second)}, nil)
		frames := steady(30, 2*time.Second, 12*time.Second)
		r.feed(r.video(frames), losing(r, frames, 3100, 5400, 6000), r.sound(48_000, 0, 12_000))
		r.finish()
		checkParts(r, 0, "source", 90_000, partTarget)
		checkParts(r, 1, "360p30", 90_000, partTarget)
		for i := range 2 {
			if got, want := r.starts(i), []int64{0, 2000, 4000, 6000, 8000, 10_000}; !closeTo(got, want, 1) {
				t.Errorf("segments of rendition %d begin at %v, want %v", i, got, want)
			}
		}
		parts, gaps := r.parts(1)
		for _, p := range parts {
			end := (p.Start + p.Duration).Milliseconds()
			lost := p.Start.Milliseconds() >= 3300 && end <= 6001
			if gaps[p.Number] != lost && end > 3400 {
				t.Errorf("part %d from %v to %d ms: gap is %v", p.Number, p.Start, end, gaps[p.Number])
			}
			if p.Start.Round(time.Millisecond) == 6*time.Second && (!p.Independent || p.Discontinuity) {
				t.Errorf("the rung goes on with independent %v, discontinuity %v; want an IDR in the same format", p.Independent, p.Discontinuity)
			}
		}
	})
}

// TestLoseRung_HoldsNothingUp holds that the rung's playlist goes on as soon as the loss is known, and
// that what follows older segments does.
func TestLoseRung_HoldsNothingUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, oneRung, []packager.Predictor{rungAt(30, 1, 2*time.Second)}, nil)
		frames := steady(30, 2*time.Second, 20*time.Second)
		r.feed(r.video(frames), losing(r, frames, 3000, 5000, 20_000), r.sound(48_000, 0, 20_000))
		parts, _ := r.parts(1)
		last := parts[len(parts)-1]
		if edge := last.Start + last.Duration; edge < 19*time.Second {
			t.Errorf("the rung's playlist ends at %v while the source is at 20 s", edge)
		}
		r.mu.Lock()
		listed := map[int]int{}
		for _, s := range r.older {
			listed[s.Rendition]++
			if whole := s.Start.Round(10*time.Millisecond) >= 4*time.Second; s.Rendition == 1 && s.Gap != whole {
				t.Errorf("segment %d of the rung from %v: gap is %v", s.MSN, s.Start, s.Gap)
			}
		}
		r.mu.Unlock()
		if listed[1] < listed[0]-1 {
			t.Errorf("%d segments of the rung are listed, %d of the source", listed[1], listed[0])
		}
		if keep := r.p.Keep(); keep < 480 {
			t.Errorf("Keep is %d, want that of the newest segments", keep)
		}
		r.finish()
	})
}

// TestLoseRung_AheadOfTheSource holds that gaps end where cuts are not known yet.
func TestLoseRung_AheadOfTheSource(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, oneRung, []packager.Predictor{rungAt(30, 1, 2*time.Second)}, nil)
		frames := steady(30, 2*time.Second, 10*time.Second)
		r.feed(r.video(frames), losingAhead(r, frames, 3000, 3400, 6000, 5000), r.sound(48_000, 0, 10_000))
		r.finish()
		for i := range 2 {
			if got, want := r.starts(i), []int64{0, 2000, 4000, 6000, 8000}; !closeTo(got, want, 1) {
				t.Errorf("segments of rendition %d begin at %v, want %v", i, got, want)
			}
		}
	})
}

// TestLoseRung_ThenTheSourceStalls holds that a rung which was lost stalls with its source.
func TestLoseRung_ThenTheSourceStalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, oneRung, []packager.Predictor{rungAt(30, 1, 2*time.Second)}, nil)
		frames := steady(30, 2*time.Second, 5*time.Second)
		r.feed(r.video(frames), losing(r, frames, 3000, 3500, 20_000), r.sound(48_000, 0, 10_000))
		parts, _ := r.parts(1)
		last := parts[len(parts)-1]
		if edge := last.Start + last.Duration; edge < 8500*time.Millisecond {
			t.Errorf("the rung's playlist ends at %v while audio is at 10 s", edge)
		}
		r.finish()
	})
}

func TestLoseRung_BeforeAnythingCame(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, oneRung, []packager.Predictor{rungAt(30, 1, 2*time.Second)}, nil)
		if err := r.p.LoseRung(0, 90_000); err != nil {
			t.Errorf("before media time 0: %v", err)
		}
		frames := steady(30, 2*time.Second, 2*time.Second)
		r.feed(r.video(frames), r.rung(0, frames, rungAt(30, 1, 2*time.Second), 20))
		r.finish()
		for _, e := range r.of(1) {
			if gap, ok := e.(hls.Gap); ok {
				t.Errorf("part %d is a gap", gap.Number)
			}
		}
		if err := r.p.LoseRung(0, 90_000); !errors.Is(err, packager.ErrEnded) {
			t.Errorf("after End: %v, want ErrEnded", err)
		}
	})
}
