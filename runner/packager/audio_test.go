package packager_test

import (
	"bytes"
	"encoding/binary"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pharos-live/pharos/internal/hls"
	"github.com/pharos-live/pharos/runner/packager"
)

// silentRuns says where audio is silent: runs of frames that were not fed, from and to in ms.
func silentRuns(r *rig, name string, rendition int, rate int64) (out [][2]int64) {
	r.t.Helper()
	parts, _ := r.parts(rendition)
	silent := false
	for _, p := range parts {
		for _, s := range r.body(name, p) {
			was := silent
			if silent = len(s.data) != 50; silent && !was { // what is fed has 50 bytes
				out = append(out, [2]int64{s.dts * 1000 / rate})
			}
			if silent {
				out[len(out)-1][1] = (s.dts + s.duration) * 1000 / rate
			}
		}
	}
	return out
}

func checkRuns(t *testing.T, got, want [][2]int64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("silence at %v ms, want %v", got, want)
	}
	for i := range want {
		if !closeTo(got[i][:], want[i][:], 32) {
			t.Errorf("silence at %v ms, want %v, give or take a frame and a half", got, want)
		}
	}
}

func TestPackager_SilenceTakesThePlaceOfAudio(t *testing.T) {
	t.Parallel()
	type span [2]int64
	for _, c := range []struct {
		name  string
		none  bool // no audio is announced
		sound []span
		want  [][2]int64
	}{
		{name: "there is none at all", none: true, want: [][2]int64{{0, 6000}}},
		{name: "it begins late", sound: []span{{1500, 6000}}, want: [][2]int64{{0, 1500}}},
		{name: "it begins a little late", sound: []span{{300, 6000}}, want: [][2]int64{{0, 300}}},
		{name: "it begins though none was announced", none: true, sound: []span{{3000, 6000}}, want: [][2]int64{{0, 3000}}},
		{name: "it stops for a while", sound: []span{{0, 2000}, {3000, 6000}}, want: [][2]int64{{2000, 3000}}},
		{name: "it stops for a moment", sound: []span{{0, 2000}, {2100, 6000}}, want: [][2]int64{{2000, 2100}}},
		{name: "it stops for good", sound: []span{{0, 2000}}, want: [][2]int64{{2000, 6000}}},
		{name: "it never stops", sound: []span{{0, 6000}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				tracks := packager.Tracks{Source: sourceVideo(), ListSource: true, Audio: &packager.Audio{Config: stereo48k}}
				if c.none {
					tracks.Audio = nil
				}
				r := newRig(t, tracks, nil, nil)
				inputs := [][]input{r.video(steady(30, 2*time.Second, 6*time.Second))}
				for _, s := range c.sound {
					inputs = append(inputs, r.sound(48_000, s[0], s[1]))
				}
				r.feed(inputs...)
				r.finish()
				checkParts(r, 1, "audio", 48_000, partTarget)
				checkRuns(t, silentRuns(r, "audio", 1, 48_000), c.want)
				checkHeard(r)
				if got, want := r.starts(1), []int64{0, 2000, 4000}; !closeTo(got, want, 22) {
					t.Errorf("segments begin at %v, want %v", got, want)
				}
			})
		})
	}
}

// checkHeard compares where audio frames stand with where they came from, which their bytes say.
func checkHeard(r *rig) {
	r.t.Helper()
	parts, _ := r.parts(1)
	for _, p := range parts {
		for _, s := range r.body("audio", p) {
			if len(s.data) != 50 {
				continue
			}
			// Frames are fed every 1024 samples from whole hundreds of milliseconds on.
			phase := (s.dts - int64(binary.BigEndian.Uint32(s.data))*1024) % 4800
			if phase = (phase + 2*4800) % 4800; phase > 4800/2 {
				phase -= 4800
			}
			if phase > 600 || phase < -600 {
				r.t.Errorf("a frame is heard %d samples late at sample %d", phase, s.dts)
				return
			}
		}
	}
}

func TestPackager_AudioThatIsAlwaysLateIsHeard(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, packager.Tracks{Source: sourceVideo(), ListSource: true, Audio: &packager.Audio{Config: stereo48k}}, nil, nil)
		sound := r.sound(48_000, 0, 8000)
		for i := range sound {
			sound[i].at += 700 // more than is waited for at first
		}
		r.feed(r.video(steady(30, 2*time.Second, 8*time.Second)), sound)
		r.finish()
		if runs := silentRuns(r, "audio", 1, 48_000); len(runs) != 1 || runs[0][1] > 1000 {
			t.Errorf("silence at %v ms, want some at the start alone", runs)
		}
	})
}

func TestPackager_AudioClockThatDriftsIsSetRight(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		rate int64 // that timestamps go by
	}{{"slow", 47_500}, {"fast", 48_500}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, packager.Tracks{Source: sourceVideo(), ListSource: true, Audio: &packager.Audio{Config: stereo48k}}, nil, nil)
				r.feed(r.video(steady(30, 2*time.Second, 20*time.Second)), r.sound(c.rate, 0, 20_000))
				r.finish()
				checkParts(r, 1, "audio", 48_000, partTarget)
				parts, _ := r.parts(1)
				last := parts[len(parts)-1]
				if end := last.Start + last.Duration; end < 19_940*time.Millisecond || end > 20_060*time.Millisecond {
					t.Errorf("audio ends at %v, want 20 s, give or take what it may drift", end)
				}
				if s := r.p.Stats(); s.SilentFrames.Load()+s.DroppedFrames.Load() == 0 {
					t.Error("nothing was put in or left out")
				}
			})
		})
	}
}

func TestPackager_NewAudioFormatBeginsAtAKeyframe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, packager.Tracks{Source: sourceVideo(), ListSource: true, Audio: &packager.Audio{Config: stereo48k}}, nil, nil)
		before, after := r.sound(48_000, 0, 3000), r.sound(44_100, 3000, 8000)
		change := input{2999, func() error { return r.p.SetAudio(stereo44k) }}
		r.feed(r.video(steady(30, 2*time.Second, 8*time.Second)), before, []input{change}, after)
		r.finish()
		segments := first(r, 1)
		if len(segments) != 4 {
			t.Fatalf("audio has %d segments, want 4", len(segments))
		}
		for i, p := range segments {
			if got, want := p.Discontinuity, i == 2; got != want {
				t.Errorf("segment %d: discontinuity is %v, want %v", i, got, want)
			}
		}
		if segments[1].Init == segments[2].Init || segments[2].Init != segments[3].Init {
			t.Errorf("init sections are %v, %v, %v", segments[1].Init, segments[2].Init, segments[3].Init)
		}
		if got := first(r, 0)[2]; !got.Discontinuity {
			t.Error("the video has no discontinuity at the same time")
		}
		if got, want := r.starts(1), []int64{0, 2000, 4000, 6000}; !closeTo(got, want, 22) {
			t.Errorf("segments begin at %v, want %v", got, want)
		}
		// Within the old segment the new format is silence; in the new one it is heard, in its time.
		parts, _ := r.parts(1)
		for _, p := range parts {
			for _, s := range r.body("audio", p) {
				rate := int64(48_000)
				if p.MSN >= 2 {
					rate = 44_100
				}
				ms := s.dts * 1000 / rate
				if silent := len(s.data) != 50; silent != (ms > 2990 && ms < 3990) && (ms < 2970 || ms > 4010) {
					t.Errorf("at %d ms: silent is %v", ms, silent)
				}
			}
		}
		if key := hls.InitKey("b", "audio", segments[2].Init); !has(r, key) {
			t.Errorf("%s is missing", key)
		}
	})
}

func has(r *rig, key string) bool {
	_, ok := r.store.get(key)
	return ok
}

func TestPackager_NewAudioFormatWithoutVideo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, packager.Tracks{Audio: &packager.Audio{Config: stereo48k}}, nil, nil)
		change := input{2999, func() error { return r.p.SetAudio(stereo44k) }}
		r.feed(r.sound(48_000, 0, 3000), []input{change}, r.sound(44_100, 3000, 6000))
		r.finish()
		if got, want := r.starts(0), []int64{0, 2000, 3000, 5000}; !closeTo(got, want, 30) {
			t.Errorf("segments begin at %v, want %v", got, want)
		}
		if n := r.p.Stats().SilentFrames.Load(); n > 1 {
			t.Errorf("%d frames of silence, want none", n)
		}
	})
}

func TestPackager_SameAudioFormatChangesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, packager.Tracks{Audio: &packager.Audio{Config: stereo48k}}, nil, nil)
		// As OBS writes it, with a backward compatible extension that says nothing.
		change := input{1000, func() error { return r.p.SetAudio(bytes.Join([][]byte{stereo48k, {0x56, 0xe5, 0x00}}, nil)) }}
		r.feed(r.sound(48_000, 0, 3000), []input{change})
		r.finish()
		if got, want := r.starts(0), []int64{0, 2000}; !closeTo(got, want, 11) {
			t.Errorf("segments begin at %v, want %v", got, want)
		}
	})
}
