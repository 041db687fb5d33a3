//go:build integration

package e2e_test

import (
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestEncoderFails_ItsRungsGoOn kills a broadcast's ffmpeg, and stops one: the rung's playlist goes on with
// gaps and comes back in the same format, and the source's knows nothing of it.
func TestEncoderFails_ItsRungsGoOn(t *testing.T) {
	t.Parallel()
	s := serve(t, "TRANSCODE=240p30@300000")
	for _, tt := range []struct {
		name, channel string
		signal        syscall.Signal
		limit         time.Duration // from the signal to a part that is none of the gaps
	}{
		{"killed", "killed", syscall.SIGKILL, 2 * time.Second},
		{"stopped", "stopped", syscall.SIGSTOP, 2*time.Second + 2*time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			encoder := publish(t, s.rtmp+"/"+s.key(t, tt.channel))
			w := watcher{base: s.http}
			videos, _ := renditions(w.master(t, tt.channel))
			i := slices.IndexFunc(videos, func(uri string) bool { return strings.Contains(uri, "240p30") })
			rung, source := videos[i], videos[1-i]
			eventually(t, 20*time.Second, "a segment of the rung", func() bool { return len(w.media(t, rung).Segments) > 1 })
			pids := children(t, s.ps(t).Runners[0].PID, "ffmpeg")
			if len(pids) != 1 {
				t.Fatalf("the runner has %d ffmpeg, want 1", len(pids))
			}
			if err := syscall.Kill(pids[0], tt.signal); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			back := func() bool {
				body := get(t, s.http+rung).body
				gap := strings.LastIndex(body, "GAP=YES")
				return gap >= 0 && strings.Contains(body[gap:], "INDEPENDENT=YES")
			}
			const slack = 4 * time.Second // a part, its upload, and a busy machine
			eventually(t, tt.limit+slack, "the rung goes on after its gaps", back)
			t.Logf("the rung was back %v after the signal", time.Since(began).Round(10*time.Millisecond))
			if strings.Contains(get(t, s.http+source).body, "GAP") {
				t.Error("the source has gaps, too")
			}
			if body := get(t, s.http+rung).body; strings.Contains(body, "DISCONTINUITY\n") || strings.Count(body, "EXT-X-MAP") != 1 {
				t.Errorf("the rung goes on in another format:\n%s", body)
			}
			if alive(pids[0]) {
				t.Errorf("the first ffmpeg, %d, is still there", pids[0])
			}
			encoder.stop(t, 5*time.Second)
			for _, uri := range videos {
				eventually(t, 8*time.Second, "ENDLIST in "+uri, func() bool { return ended(get(t, s.http+uri).body) })
			}
			eventually(t, 5*time.Second, "no broadcast left", func() bool { return len(s.ps(t).Broadcasts) == 0 })
		})
	}
}

// TestBackend_AutoFallsBackAndSaysWhy runs where there is no card.
func TestBackend_AutoFallsBackAndSaysWhy(t *testing.T) {
	t.Parallel()
	s := serve(t, "TRANSCODE=240p30@300000", "TRANSCODE_BACKEND=auto")
	line := s.line(t, "encoder chosen", 5*time.Second)
	for _, want := range []string{"asked", "backend", "h264_nvenc", "mpsoc_vcu_h264"} {
		if strings.Contains(line, `"backend":"software"`) && !strings.Contains(line, want) {
			t.Errorf("the log says %s, which lacks %q", line, want)
		}
	}
	publish(t, s.rtmp+"/"+s.key(t, "auto"))
	if videos, _ := renditions((watcher{base: s.http}).master(t, "auto")); len(videos) != 2 {
		t.Errorf("got %d video playlists, want the source and a rung", len(videos))
	}
}
