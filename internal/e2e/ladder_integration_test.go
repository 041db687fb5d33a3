//go:build integration

package e2e_test

import (
	"math"
	"strings"
	"testing"
)

// busy is content that uses every bit it is given.
var busy = []string{
	"-f", "lavfi", "-i", "testsrc2=size=1280x720:rate=60,noise=alls=60:allf=t+u",
	"-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000",
}

func TestLadder_RenditionsAlignAndHoldTheirBitRates(t *testing.T) {
	s := serve(t, "TRANSCODE=720p30@2000000|360p30@600000")
	publish(t, s.rtmp+"/"+s.key(t, "ladder"), busy,
		[]string{"-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-pix_fmt", "yuv420p", "-b:v", "8M", "-maxrate", "8M", "-bufsize", "8M", "-g", "120", "-sc_threshold", "0"}, aac)
	w := watcher{base: s.http}
	videos, audio := renditions(w.master(t, "ladder"))
	if len(videos) != 3 || audio == "" {
		t.Fatalf("got video playlists %v and audio %q, want three and one", videos, audio)
	}
	const count = 5
	got := map[string][]segment{}
	for _, uri := range append(videos, audio) {
		got[uri] = w.segments(t, uri, count)
	}
	assertAligned(t, got, videos, audio)
	for uri, want := range map[string]float64{"720p30": 2_000_000, "360p30": 600_000} {
		for _, v := range videos {
			if strings.Contains(v, uri) {
				assertBitRate(t, v, got[v][1:], want)
			}
		}
	}
}

// assertAligned checks that segments start at equal times in all video
// renditions, with a picture to start from, and in audio at the nearest frame.
func assertAligned(t *testing.T, got map[string][]segment, videos []string, audio string) {
	t.Helper()
	const tick = 1.0 / 90_000
	const audioFrame = 1024.0 / 48_000
	for i, first := range got[videos[0]] {
		for _, v := range videos {
			s := got[v][i]
			if math.Abs(s.start-first.start) > tick {
				t.Errorf("segment %d of %s starts at %.6f s, that of %s at %.6f s", i, v, s.start, videos[0], first.start)
			}
			if !s.sync {
				t.Errorf("segment %d of %s does not start with an IDR", i, v)
			}
		}
		if a := got[audio][i]; math.Abs(a.start-first.start) > audioFrame/2+0.001 {
			t.Errorf("segment %d of audio starts at %.6f s, video at %.6f s: more than half a frame apart", i, a.start, first.start)
		}
	}
}

func assertBitRate(t *testing.T, uri string, segments []segment, want float64) {
	t.Helper()
	bits, seconds := 0.0, 0.0
	for _, s := range segments {
		bits += float64(s.bytes) * 8
		seconds += s.seconds
	}
	got := bits / seconds
	t.Logf("%s: %.0f bit/s of %.0f", uri, got, want)
	if math.Abs(got-want) > want/10 {
		t.Errorf("%s has %.0f bit/s, want %.0f within 10 %%", uri, got, want)
	}
}

// obs is what OBS sends unless told otherwise: a GOP of 250 frames, B-frames.
var obs = []string{"-c:v", "libx264", "-preset", "veryfast", "-bf", "2", "-g", "250", "-keyint_min", "25", "-sc_threshold", "0", "-pix_fmt", "yuv420p", "-b:v", "1500k"}

func TestLongGOPs_AreCutBetweenKeyframes(t *testing.T) {
	s := serve(t, "TRANSCODE=240p30@300000")
	publish(t, s.rtmp+"/"+s.key(t, "obs"), calm, obs, aac)
	w := watcher{base: s.http}
	videos, audio := renditions(w.master(t, "obs"))
	if len(videos) != 2 || audio == "" {
		t.Fatalf("got video playlists %v and audio %q, want two and one", videos, audio)
	}
	const count = 4 // 0, 4, 8, 8.33 s: the last ends with the GOP
	rung := ""
	for _, v := range videos {
		if strings.Contains(v, "240p30") {
			rung = v
		}
	}
	for i, seg := range w.segments(t, rung, count) {
		if seg.seconds > 4.5 {
			t.Errorf("segment %d of the rung lasts %.3f s, more than its target duration", i, seg.seconds)
		}
		if !seg.sync {
			t.Errorf("segment %d of the rung does not start with an IDR", i)
		}
	}
}
