//go:build integration

package e2e_test

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/bluenviron/gohlslib/v2"
	"github.com/bluenviron/gohlslib/v2/pkg/codecs"

	"github.com/pharos-live/pharos/internal/hls/hlscheck"
)

// TestConformance_LiveBroadcastBreaksNoRule follows a broadcast of three renditions from its first playlist
// through its end, as black box over HTTP, and finds no rule of the checklist
// broken. Meanwhile ffmpeg and gohlslib's client play it.
func TestConformance_LiveBroadcastBreaksNoRule(t *testing.T) {
	need(t, "ffmpeg")
	s := serve(t, "TRANSCODE=180p30@300000", "PHAROS_SEGMENT=1s", "PHAROS_TARGETDURATION=2s")
	gop := []string{"-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-pix_fmt", "yuv420p", "-g", "30", "-keyint_min", "30", "-sc_threshold", "0"}
	encoder := publish(t, s.rtmp+"/"+s.key(t, "rules"), calm, gop, aac)
	videos, audio := renditions(watcher{base: s.http}.master(t, "rules"))

	f := newFollower(t, s.http)
	for range 2 {
		f.fetch(t.Context(), "/live/rules/index.m3u8")
	}
	var following sync.WaitGroup
	for _, path := range append(videos, audio) {
		following.Go(func() { f.follow(t.Context(), path) })
	}
	client := playWithGohlslib(t, s.http+"/live/rules/index.m3u8")
	time.Sleep(4 * time.Second) // some segments to start from
	player := start(t, nil, "ffmpeg", "-hide_banner", "-loglevel", "warning", "-stats", "-nostdin", "-i", s.http+"/live/rules/index.m3u8", "-t", "5", "-f", "null", "-")
	if code := player.exit(t, 40*time.Second); code != 0 || !strings.Contains(player.output(), "frame=") {
		t.Errorf("ffmpeg played with status %d:\n%s", code, player.output())
	}
	eventually(t, 30*time.Second, "a delta update", f.sawDelta)
	encoder.signal(syscall.SIGINT)
	following.Wait()
	client.end(t)

	violations := hlscheck.Check(f.fetches, hlscheck.Options{Slack: 1500 * time.Millisecond})
	t.Logf("%d answers, %d violations", len(f.fetches), len(violations))
	for _, v := range violations[:min(len(violations), 30)] {
		t.Error(v)
	}
}

func (f *follower) sawDelta() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.fetches {
		if strings.Contains(string(f.fetches[i].Body), "#EXT-X-SKIP") {
			return true
		}
	}
	return false
}

// A gohlslibPlayer is gohlslib's client at work.
type gohlslibPlayer struct {
	client       *gohlslib.Client
	video, audio atomic.Int64 // frames
	failed       atomic.Pointer[string]
}

func playWithGohlslib(t *testing.T, uri string) *gohlslibPlayer {
	t.Helper()
	p := &gohlslibPlayer{client: &gohlslib.Client{URI: uri}}
	c := p.client
	quiet := func(string) {}
	c.OnDownloadPrimaryPlaylist, c.OnDownloadStreamPlaylist, c.OnDownloadSegment, c.OnDownloadPart = quiet, quiet, quiet, quiet
	c.OnDecodeError = func(err error) {
		text := err.Error()
		p.failed.Store(&text)
	}
	c.OnTracks = func(tracks []*gohlslib.Track) error {
		for _, track := range tracks {
			switch track.Codec.(type) {
			case *codecs.H264:
				c.OnDataH26x(track, func(int64, int64, [][]byte) { p.video.Add(1) })
			case *codecs.MPEG4Audio:
				c.OnDataMPEG4Audio(track, func(_ int64, aus [][]byte) { p.audio.Add(int64(len(aus))) })
			}
		}
		return nil
	}
	if err := c.Start(); err != nil {
		t.Fatalf("gohlslib: %v", err)
	}
	return p
}

// end waits until the player has played to the end.
func (p *gohlslibPlayer) end(t *testing.T) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- p.client.Wait2() }()
	select {
	case err := <-done:
		// With parts this client knows no end: it misses the hint that ENDLIST must not
		// have, in the playlist or by its 404, and stops with that.
		gone := err != nil && (strings.Contains(err.Error(), "preload hint disappeared") || strings.Contains(err.Error(), "404"))
		if !gone && !errors.Is(err, gohlslib.ErrClientEOS) {
			t.Errorf("gohlslib's client ended with %v, want the end of the stream", err)
		}
	case <-time.After(30 * time.Second):
		p.client.Close()
		<-done
		t.Error("gohlslib's client did not come to the end")
	}
	if text := p.failed.Load(); text != nil {
		t.Errorf("gohlslib's client could not decode: %s", *text)
	}
	if v, a := p.video.Load(), p.audio.Load(); v < 100 || a < 100 {
		t.Errorf("gohlslib's client got %d video and %d audio frames", v, a)
	}
}

// TestVideoRange_IsThatOfThePictures publishes HLG: the source says so, and a rung
// says what its encoder wrote into its own parameter sets.
func TestVideoRange_IsThatOfThePictures(t *testing.T) {
	need(t, "ffmpeg")
	s := serve(t, "TRANSCODE=180p30@300000")
	hlg := []string{
		"-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-pix_fmt", "yuv420p", "-g", "60",
		"-color_primaries", "bt2020", "-colorspace", "bt2020nc", "-color_trc", "arib-std-b67",
	}
	publish(t, s.rtmp+"/"+s.key(t, "hdr"), calm, hlg, aac)
	watcher{base: s.http}.master(t, "hdr")
	a := get(t, s.http+"/live/hdr/index.m3u8")
	if n := strings.Count(a.body, ",VIDEO-RANGE=HLG,"); n != 2 {
		t.Errorf("got %d variants of HLG, want the source and its rung, whose tags ffmpeg passes on:\n%s", n, a.body)
	}
}
