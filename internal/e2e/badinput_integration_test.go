//go:build integration

package e2e_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pharos-live/pharos/internal/objstore/objstoretest"
	"github.com/pharos-live/pharos/internal/registry/registrytest"
)

// TestRefusals checks what an encoder is told, that no runner is booted for
// it, and that the broadcast that runs is not disturbed.
func TestRefusals(t *testing.T) {
	t.Parallel()
	s := serve(t, "FLAME_MAX=2", "FLAME_MAX_CONCURRENCY=1")
	good := s.key(t, "good")
	publish(t, s.rtmp+"/"+good)
	w := watcher{base: s.http}
	w.master(t, "good")
	was := s.ps(t).Broadcasts[0].Broadcast

	host := strings.TrimSuffix(s.rtmp, "/live")
	tests := []struct{ name, url, want string }{
		{"a wrong signature", s.rtmp + "/good_AAAAAAAAAAAAAAAAAAAAAA", "the stream key is wrong or has been revoked"},
		{"no signature", s.rtmp + "/good", "malformed stream key"},
		{"a channel that cannot be", s.rtmp + "/Good_AAAAAAAAAAAAAAAAAAAAAA", "malformed stream key"},
		{"another app", host + "/stream/" + good, `"stream"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := publish(t, tt.url)
			line := e.line(t, tt.want, 5*time.Second)
			t.Logf("the encoder says: %s", line)
			e.exit(t, 5*time.Second)
			if !strings.Contains(s.output(), tt.want) {
				t.Errorf("the log does not say %q", tt.want)
			}
		})
	}
	p := s.ps(t)
	if len(p.Runners) != 1 || len(p.Broadcasts) != 1 || p.Broadcasts[0].Broadcast != was {
		t.Errorf("after the refusals: %+v, want the one broadcast on its one runner", p)
	}
}

func TestRevokedKey_IsRefused(t *testing.T) {
	t.Parallel()
	s := serve(t)
	old := s.key(t, "mine")
	s.pharos(t, "key", "revoke", "mine")
	publish(t, s.rtmp+"/"+old).line(t, "the stream key is wrong or has been revoked", 5*time.Second)
	publish(t, s.rtmp+"/"+s.key(t, "mine"))
	watcher{base: s.http}.master(t, "mine")
}

func TestSecondPublisher_NewestWinsOnAnyServer(t *testing.T) {
	t.Parallel()
	url := redisServer(t)
	settings := []string{"REDIS_URL=" + url, "PHAROS_SECRET=" + secret, "PHAROS_DATA_DIR=" + t.TempDir()}
	a, b := serve(t, settings...), serve(t, settings...)
	key := a.key(t, "twice")
	first := publish(t, a.rtmp+"/"+key)
	w := watcher{base: a.http}
	videos, audio := renditions(w.master(t, "twice"))
	was := a.ps(t).Broadcasts[0].Broadcast

	publish(t, b.rtmp+"/"+key)
	first.exit(t, 5*time.Second)
	for _, uri := range append(videos, audio) {
		eventually(t, 3*time.Second, "ENDLIST in the former "+uri, func() bool { return ended(get(t, a.http+uri).body) })
	}
	eventually(t, 10*time.Second, "the new broadcast is live", func() bool {
		p := a.ps(t)
		return len(p.Broadcasts) == 1 && p.Broadcasts[0].Broadcast != was && p.Broadcasts[0].State == "live"
	})
}

func TestSecondPublisher_GetsTheOnlySlot(t *testing.T) {
	t.Parallel()
	s := serve(t, "FLAME_MAX=1", "FLAME_MAX_CONCURRENCY=1")
	key := s.key(t, "again")
	publish(t, s.rtmp+"/"+key)
	watcher{base: s.http}.master(t, "again")
	was := s.ps(t).Broadcasts[0].Broadcast
	publish(t, s.rtmp+"/"+key)
	eventually(t, 10*time.Second, "the new broadcast is live in the slot of the former", func() bool {
		p := s.ps(t)
		return len(p.Broadcasts) == 1 && p.Broadcasts[0].Broadcast != was && p.Broadcasts[0].State == "live"
	})
}

func TestStreamWithoutMedia_FreesItsSlot(t *testing.T) {
	t.Parallel()
	s := serve(t, "FLAME_MAX=1", "FLAME_MAX_CONCURRENCY=1")
	mp3 := publish(t, s.rtmp+"/"+s.key(t, "mp3"), calm, x264, []string{"-c:a", "libmp3lame"})
	line := s.line(t, "MP3", 10*time.Second)
	t.Logf("the log says: %s", line)
	mp3.exit(t, 5*time.Second)
	eventually(t, 2*time.Second, "the slot free again", func() bool { return len(s.ps(t).Broadcasts) == 0 })
	publish(t, s.rtmp+"/"+s.key(t, "aac"))
	watcher{base: s.http}.master(t, "aac")
}

func TestGarbageOnTheRTMPPort_DisturbsNobody(t *testing.T) {
	t.Parallel()
	s := serve(t)
	publish(t, s.rtmp+"/"+s.key(t, "calm"))
	w := watcher{base: s.http}
	videos, _ := renditions(w.master(t, "calm"))
	addr := strings.TrimSuffix(strings.TrimPrefix(s.rtmp, "rtmp://"), "/live")
	for _, garbage := range []string{"GET / HTTP/1.1\r\nHost: x\r\n\r\n", strings.Repeat("\x00", 4096), "\x03" + strings.Repeat("\xff", 5000)} {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(15 * time.Second))
		_, _ = io.WriteString(c, garbage)
		if _, err := io.Copy(io.Discard, c); err != nil && strings.Contains(err.Error(), "timeout") {
			t.Errorf("the server still listens to %.10q", garbage)
		}
		c.Close()
	}
	before := len(w.media(t, videos[0]).Segments)
	eventually(t, 10*time.Second, "the broadcast goes on", func() bool {
		return len(w.media(t, videos[0]).Segments) > before
	})
}

// TestStart_SaysInOneLineWhatIsWrong runs starts that must end with exit code 1.
func TestStart_SaysInOneLineWhatIsWrong(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	empty := t.TempDir()
	tests := []struct {
		name string
		env  []string
		want []string
	}{
		{"a TRANSCODE that does not parse", []string{"TRANSCODE=720p30"}, []string{"TRANSCODE", "720p30"}},
		{"a port in use", []string{"PHAROS_HTTP_ADDR=" + taken.Addr().String()}, []string{"PHAROS_HTTP_ADDR", "in use"}},
		{"a missing ffmpeg", []string{"TRANSCODE=240p30@300000", "PATH=" + empty}, []string{"ffmpeg", "TRANSCODE"}},
		{"an encoder that ffmpeg has not", []string{"TRANSCODE=240p30@300000", "PATH=" + ffmpegWithoutX264(t)}, []string{"libx264"}},
		{"a card that is not there", []string{"TRANSCODE=240p30@300000", "TRANSCODE_BACKEND=xilinx"}, []string{"TRANSCODE_BACKEND=xilinx", "mpsoc_vcu_h264", "setup.sh"}},
		{"a bad duration", []string{"PHAROS_PART=soon"}, []string{"PHAROS_PART", "soon", "200ms"}},
		{"a target that is no multiple", []string{"PHAROS_SEGMENT=3s"}, []string{"PHAROS_TARGETDURATION", "PHAROS_SEGMENT"}},
		{"Redis without a secret", []string{"REDIS_URL=redis://127.0.0.1:1"}, []string{"PHAROS_SECRET"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := start(t, serverEnv(t, tt.env...), binary, "serve")
			if code := p.exit(t, 10*time.Second); code != 1 {
				t.Errorf("exit code %d, want 1", code)
			}
			last := p.output()[strings.LastIndexByte(p.output(), '\n')+1:]
			for _, want := range tt.want {
				if !strings.Contains(last, want) {
					t.Errorf("the last line does not name %q: %s", want, last)
				}
			}
		})
	}
}

func TestStart_NeedsNoFFmpegForTheSourceAlone(t *testing.T) {
	serve(t, "PATH="+t.TempDir())
}

// ffmpegWithoutX264 is a directory with an ffmpeg that knows no encoder.
func ffmpegWithoutX264(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	script := "#!/bin/sh\necho \"Unknown encoder 'libx264'\" >&2\nexit 1\n"
	if err := os.WriteFile(filepath.Join(dir, "ffmpeg"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestStart_WaitsForRedisThenServes(t *testing.T) {
	t.Parallel()
	redis := registrytest.RedisServer(t)
	redis.Stop()
	testWaits(t, func() { redis.Start() }, "REDIS_URL="+redis.URL(), "PHAROS_SECRET="+secret)
}

// testWaits starts a server whose dependency is away: it answers 503 on
// /readyz until come has brought it back.
func testWaits(t *testing.T, come func(), settings ...string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	ln.Close() // the one test that must know the address before the ready line
	s := &server{env: serverEnv(t, append(settings, "PHAROS_HTTP_ADDR="+addr)...)}
	s.process = start(t, s.env, binary, "serve")
	s.line(t, "cannot be reached", 10*time.Second)
	eventually(t, 5*time.Second, "/readyz answers 503", func() bool {
		a, err := tryGet(t.Context(), "http://"+addr+"/readyz")
		return err == nil && a.status == http.StatusServiceUnavailable
	})
	come()
	s.awaitReady(t)
	if a := get(t, "http://"+addr+"/readyz"); a.status != http.StatusOK {
		t.Errorf("/readyz answers %d when ready: %s", a.status, a.body)
	}
}

func TestStart_GivesUpOnAnUnreachableDependency(t *testing.T) {
	gw := objstoretest.VersityGW(t)
	dead := fmt.Sprintf("http://127.0.0.1:%d", 1)
	tests := []struct {
		name string
		env  []string
		want string
	}{
		{"Redis", []string{"REDIS_URL=redis://127.0.0.1:1", "PHAROS_SECRET=" + secret}, "REDIS_URL"},
		{"the bucket's server", []string{"BUCKET_MEDIA=b", "AWS_ENDPOINT_URL_S3=" + dead, "AWS_ACCESS_KEY_ID=a", "AWS_SECRET_ACCESS_KEY=b"}, "BUCKET_MEDIA"},
		{"the bucket", []string{"BUCKET_MEDIA=none-of-that-name", "AWS_ENDPOINT_URL_S3=" + gw.Endpoint, "AWS_ACCESS_KEY_ID=" + gw.Access, "AWS_SECRET_ACCESS_KEY=" + gw.Secret}, "none-of-that-name"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel() // each takes half a minute of waiting
			p := start(t, serverEnv(t, tt.env...), binary, "serve")
			if code := p.exit(t, 45*time.Second); code != 1 {
				t.Errorf("exit code %d, want 1", code)
			}
			last := p.output()[strings.LastIndexByte(p.output(), '\n')+1:]
			if !strings.Contains(last, tt.want) {
				t.Errorf("the last line does not name %q: %s", tt.want, last)
			}
		})
	}
}
