package packager_test

import (
	"bytes"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pharos-live/pharos/internal/hls"
	"github.com/pharos-live/pharos/runner/packager"
)

func TestPackager_CutsAllRenditionsAtTheSameTimes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, packager.Tracks{
			Source: sourceVideo(), ListSource: true,
			Rungs: []packager.Rung{{Name: "720p30", Width: 1280, Height: 720, FrameRate: 30, Bitrate: 2_000_000}},
			Audio: &packager.Audio{Config: stereo48k},
		}, []packager.Predictor{&counter{every: 2, gop: 60}}, nil)
		frames := steady(60, 2*time.Second, 7*time.Second)
		r.feed(r.video(frames), r.rung(0, frames, &counter{every: 2, gop: 60}, 40), r.sound(48_000, 0, 7000))
		r.finish()
		want := []int64{0, 2000, 4000, 6000}
		for i, name := range []string{"source", "720p30"} {
			if got := r.starts(i); !closeTo(got, want, 1) {
				t.Errorf("segments of %s begin at %v, want %v", name, got, want)
			}
			for j, p := range first(r, i) {
				if got := r.body(name, p)[0].pts; got != want[j]*90 {
					t.Errorf("segment %d of %s begins with PTS %d, want %d", j, name, got, want[j]*90)
				}
			}
		}
		if got := r.starts(2); !closeTo(got, want, 11) {
			t.Errorf("segments of audio begin at %v, want %v, give or take half a frame", got, want)
		}
		if n := r.p.Stats().NonIndependent.Load(); n != 0 {
			t.Errorf("%d segments are not independent, want none", n)
		}
		for i := range 3 {
			for _, p := range first(r, i) {
				if !p.Independent {
					t.Errorf("rendition %d: segment %d does not begin with an independent part", i, p.MSN)
				}
			}
		}
	})
}

// closeTo tells whether times are what is wanted, give or take some milliseconds.
func closeTo(got, want []int64, tolerance int64) bool {
	return slices.EqualFunc(got, want, func(a, b int64) bool { return max(a-b, b-a) <= tolerance })
}

// first returns the first part of each segment.
func first(r *rig, rendition int) []hls.Part {
	parts, _ := r.parts(rendition)
	var out []hls.Part
	for i, p := range parts {
		if i == 0 || p.MSN != parts[i-1].MSN {
			out = append(out, p)
		}
	}
	return out
}

func TestPackager_SegmentIsItsPartsConcatenated(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, packager.Tracks{Source: sourceVideo(), ListSource: true, Audio: &packager.Audio{Config: stereo48k}}, nil, nil)
		r.feed(r.video(steady(30, 2*time.Second, 5*time.Second)), r.sound(48_000, 0, 5000))
		r.finish()
		for i, name := range []string{"source", "audio"} {
			segments := map[uint64][]byte{}
			parts, gaps := r.parts(i)
			if len(gaps) > 0 {
				t.Errorf("%s has gaps %v", name, gaps)
			}
			for _, p := range parts {
				body, _ := r.store.get(hls.PartKey("b", name, p.Number, 7))
				segments[p.MSN] = append(segments[p.MSN], body...)
			}
			if len(segments) != 3 {
				t.Errorf("%s has %d segments, want 3", name, len(segments))
			}
			for msn, want := range segments {
				got, ok := r.store.get(hls.SegmentKey("b", name, msn, 7))
				if !ok || !bytes.Equal(got, want) {
					t.Errorf("segment %d of %s is not its parts: %d bytes, want %d", msn, name, len(got), len(want))
				}
			}
		}
		for key, o := range r.store.options {
			want := "video/mp4"
			if bytes.Contains([]byte(key), []byte("/audio/")) {
				want = "audio/mp4"
			}
			if o.ContentType != want || o.CacheControl != "public, max-age=31536000, immutable" {
				t.Errorf("%s was put with %+v", key, o)
			}
		}
	})
}
