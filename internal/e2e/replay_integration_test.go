//go:build integration

package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pharos-live/pharos/internal/objstore/objstoretest"
)

// A recording is a replay as the API lists it.
type recording struct {
	Broadcast, Channel, Playlist string
	Duration                     float64
}

// recorded waits for the replay of a channel.
func (s *server) recorded(t *testing.T, channel string, wait time.Duration) recording {
	t.Helper()
	var all struct{ Replays []recording }
	eventually(t, wait, "the replay of channel "+channel, func() bool {
		a := get(t, s.http+"/api/v1/replays?channel="+channel)
		if err := json.Unmarshal([]byte(a.body), &all); err != nil {
			t.Fatalf("read the replays (%d): %v\n%s", a.status, err, a.body)
		}
		return len(all.Replays) == 1
	})
	return all.Replays[0]
}

// played is what ffmpeg's demuxer finds behind a URL.
type played struct {
	seconds       float64
	video, sounds int // packets
}

func play(t *testing.T, url string) played {
	t.Helper()
	need(t, "ffprobe")
	cmd := exec.Command("ffprobe", "-v", "error", "-count_packets",
		"-show_entries", "format=duration:stream=codec_type,nb_read_packets", "-of", "json", url)
	var complaints bytes.Buffer // of connections that a store closes, and other things that it gets over
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("play %s: %v\n%s", url, err, complaints.String())
	}
	var found struct {
		Streams []struct {
			Type    string `json:"codec_type"`
			Packets string `json:"nb_read_packets"`
		}
		Format struct{ Duration string }
	}
	if err := json.Unmarshal(out, &found); err != nil {
		t.Fatalf("read ffprobe: %v\n%s", err, out)
	}
	var p played
	if p.seconds, err = strconv.ParseFloat(found.Format.Duration, 64); err != nil {
		t.Fatalf("read ffprobe's duration: %v\n%s", err, out)
	}
	for _, s := range found.Streams {
		n, _ := strconv.Atoi(s.Packets)
		if s.Type == "video" {
			p.video = n
		} else {
			p.sounds = n
		}
	}
	return p
}

// broadcastFor streams so many seconds of 30 pictures each, and ends well.
func broadcastFor(t *testing.T, s *server, channel string, seconds int) {
	t.Helper()
	e := publish(t, s.rtmp+"/"+s.key(t, channel), calm, x264, aac, []string{"-t", strconv.Itoa(seconds)})
	if code := e.exit(t, time.Duration(seconds)*time.Second+30*time.Second); code != 0 {
		t.Fatalf("the encoder ended with %d", code)
	}
}

// whole checks that a replay has all that was sent.
func whole(t *testing.T, url string, seconds int) {
	t.Helper()
	p := play(t, url)
	if math.Abs(p.seconds-float64(seconds)) > 0.1 {
		t.Errorf("%s lasts %v s, want %d to a tenth", url, p.seconds, seconds)
	}
	if want := 30 * seconds; p.video != want {
		t.Errorf("%s has %d pictures, want all %d", url, p.video, want)
	}
	if want := seconds * 48000 / 1024; p.sounds < want || p.sounds > want+3 {
		t.Errorf("%s has %d audio frames, want %d and the encoder's few", url, p.sounds, want)
	}
}

func TestReplay_PlaysFromAPlainFileServer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := serve(t, "PHAROS_DATA_DIR="+dir)
	broadcastFor(t, s, "news", 7)
	r := s.recorded(t, "news", 10*time.Second)
	if math.Abs(r.Duration-7) > 0.1 {
		t.Errorf("the replay is listed with %v s, want 7 to a tenth", r.Duration)
	}
	files := httptest.NewServer(http.FileServer(http.Dir(filepath.Join(dir, "media"))))
	defer files.Close()
	whole(t, files.URL+"/"+r.Broadcast+"/index.m3u8", 7)
	whole(t, s.http+r.Playlist, 7)
	if a := get(t, s.http+"/replay/"+r.Broadcast); a.status != 200 || !strings.Contains(a.body, r.Broadcast) {
		t.Errorf("the replay's page: %d", a.status)
	}
	a := get(t, s.http+"/live/news/index.m3u8")
	if a.status != 200 {
		t.Fatalf("the live URL answers %d after the end", a.status)
	}
	uri := regexp.MustCompile(`(?m)^/hls/.*$`).FindString(a.body)
	if a := get(t, s.http+uri); a.status != 200 || !ended(a.body) {
		t.Errorf("%s answers %d after the end, want a playlist with its end", uri, a.status)
	}
}

func TestReplay_PlaysFromABucket(t *testing.T) {
	t.Parallel()
	need(t, "redis-server")
	s3 := objstoretest.VersityGW(t)
	for _, public := range []bool{true, false} {
		t.Run(fmt.Sprintf("public %v", public), func(t *testing.T) {
			bucket, base := s3.PublicBucket(t)
			settings := []string{
				"REDIS_URL=" + redisServer(t), "PHAROS_SECRET=" + secret,
				"BUCKET_MEDIA=" + bucket, "AWS_ENDPOINT_URL_S3=" + s3.Endpoint, "AWS_REGION=us-east-1",
				"AWS_ACCESS_KEY_ID=" + s3.Access, "AWS_SECRET_ACCESS_KEY=" + s3.Secret,
			}
			if public {
				settings = append(settings, "PHAROS_MEDIA_URL="+base)
			}
			s := serve(t, settings...)
			broadcastFor(t, s, "far", 5)
			r := s.recorded(t, "far", 10*time.Second)
			whole(t, base+"/"+r.Broadcast+"/index.m3u8", 5)
			whole(t, s.http+r.Playlist, 5)
		})
	}
}

// TestReplay_OfWhatWasKilled: runner and app server, with its embedded Redis, are gone at
// once, in the middle of a broadcast. The next server has nothing but the bucket.
func TestReplay_OfWhatWasKilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := serve(t, "PHAROS_DATA_DIR="+dir)
	publish(t, s.rtmp+"/"+s.key(t, "news"))
	watcher{base: s.http}.master(t, "news")
	time.Sleep(15 * time.Second) // the journal has been written once, and more has come since
	running := s.ps(t)
	if len(running.Runners) != 1 || len(running.Broadcasts) != 1 {
		t.Fatalf("got %+v, want one runner with one broadcast", running)
	}
	if err := syscall.Kill(running.Runners[0].PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	s.signal(syscall.SIGKILL)
	<-s.done
	id := running.Broadcasts[0].Broadcast
	media := filepath.Join(dir, "media")
	want := min(durable(t, media, id, "source"), durable(t, media, id, "audio"))
	journaled := 0
	for _, path := range matches(t, media, id, "journal", "*.json") {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		journaled += strings.Count(string(text), `"segment":`) // of both renditions
	}
	if journaled == 0 || journaled/2 >= want {
		t.Errorf("the journal has %d segments of %d: the test wants some, and not all", journaled/2, want)
	}

	// As if a minute had passed, in which nobody gave a sign.
	past := time.Now().Add(-2 * time.Minute)
	for _, path := range append(matches(t, media, id, "journal", "*.json"), filepath.Join(media, "_open", id+".json")) {
		if err := os.Chtimes(path, past, past); err != nil {
			t.Fatal(err)
		}
	}
	again := serve(t, "PHAROS_DATA_DIR="+dir)
	r := again.recorded(t, "news", 40*time.Second)
	m := parseMedia(t, get(t, again.http+"/replay/"+r.Broadcast+"/source/index.m3u8").body)
	if r.Broadcast != id || len(m.Segments) != want {
		t.Errorf("the replay of %s has %d segments, want all %d of %s that were durable", r.Broadcast, len(m.Segments), want, id)
	}
	files := httptest.NewServer(http.FileServer(http.Dir(media)))
	defer files.Close()
	p := play(t, files.URL+"/"+id+"/index.m3u8")
	if got := 60 * want; p.video != got || math.Abs(p.seconds-float64(2*want)) > 0.1 {
		t.Errorf("it has %d pictures in %v s, want %d in %d s", p.video, p.seconds, got, 2*want)
	}
}

func matches(t *testing.T, path ...string) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// durable is how many segments of a rendition are in the bucket, from the first on.
func durable(t *testing.T, media, id, rendition string) int {
	t.Helper()
	n := 0
	for len(matches(t, media, id, rendition, fmt.Sprintf("s%d.*.m4s", n))) > 0 {
		n++
	}
	return n
}
