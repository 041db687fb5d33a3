//go:build integration || browser

package e2e_test

import (
	"bytes"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/bluenviron/gohlslib/v2/pkg/playlist"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/fmp4"
)

// A watcher reads one broadcast as a player does, by its public URLs alone.
type watcher struct {
	base string // of an app server: http://host:port
}

// master waits until the channel plays and returns its multivariant playlist.
func (w watcher) master(t *testing.T, channel string) *playlist.Multivariant {
	t.Helper()
	var a answer
	eventually(t, 30*time.Second, "the playlist of channel "+channel, func() bool {
		a = get(t, w.base+"/live/"+channel+"/index.m3u8")
		return a.status == 200
	})
	p, err := playlist.Unmarshal([]byte(a.body))
	if err != nil {
		t.Fatalf("parse the multivariant playlist: %v\n%s", err, a.body)
	}
	m, ok := p.(*playlist.Multivariant)
	if !ok {
		t.Fatalf("not a multivariant playlist:\n%s", a.body)
	}
	return m
}

// media reads a media playlist.
func (w watcher) media(t *testing.T, uri string) *playlist.Media {
	t.Helper()
	a := get(t, w.base+uri)
	if a.status != 200 {
		t.Fatalf("GET %s: %d %s", uri, a.status, a.body)
	}
	return parseMedia(t, a.body)
}

func parseMedia(t *testing.T, body string) *playlist.Media {
	t.Helper()
	p, err := playlist.Unmarshal([]byte(body))
	if err != nil {
		t.Fatalf("parse a media playlist: %v\n%s", err, body)
	}
	m, ok := p.(*playlist.Media)
	if !ok {
		t.Fatalf("not a media playlist:\n%s", body)
	}
	return m
}

// renditions are the paths of all media playlists: videos as listed, audio last.
func renditions(m *playlist.Multivariant) (videos []string, audio string) {
	for _, v := range m.Variants {
		videos = append(videos, v.URI)
	}
	for _, r := range m.Renditions {
		if r.URI != nil {
			audio = *r.URI
		}
	}
	return videos, audio
}

// path resolves a playlist's relative URI.
func path(t *testing.T, playlist, uri string) string {
	t.Helper()
	base, err := url.Parse(playlist)
	if err != nil {
		t.Fatal(err)
	}
	u, err := base.Parse(uri)
	if err != nil {
		t.Fatal(err)
	}
	return u.String()
}

// A segment is what one holds, in its track's timescale.
type segment struct {
	start    float64 // presentation time of its first sample, seconds
	seconds  float64
	bytes    int
	samples  int
	sync     bool // starts with a picture that can be decoded alone
	from     string
	redirect int
}

// segments reads count complete segments of a playlist, waiting for them.
func (w watcher) segments(t *testing.T, uri string, count int) []segment {
	t.Helper()
	var m *playlist.Media
	eventually(t, 40*time.Second, fmt.Sprintf("%d segments in %s", count, uri), func() bool {
		m = w.media(t, uri)
		return len(m.Segments) >= count
	})
	scale := w.timescale(t, path(t, uri, m.Map.URI))
	var out []segment
	for _, s := range m.Segments[:count] {
		out = append(out, w.segment(t, path(t, uri, s.URI), scale))
	}
	return out
}

func (w watcher) timescale(t *testing.T, uri string) uint32 {
	t.Helper()
	a := get(t, w.base+uri)
	var init fmp4.Init
	if err := init.Unmarshal(bytes.NewReader([]byte(a.body))); err != nil || len(init.Tracks) != 1 {
		t.Fatalf("parse %s (%d): %v", uri, a.status, err)
	}
	return init.Tracks[0].TimeScale
}

func (w watcher) segment(t *testing.T, uri string, scale uint32) segment {
	t.Helper()
	a := get(t, w.base+uri)
	if a.status != 200 {
		t.Fatalf("GET %s: %d %s", uri, a.status, a.body)
	}
	var parts fmp4.Parts
	if err := parts.Unmarshal([]byte(a.body)); err != nil {
		t.Fatalf("parse %s: %v", uri, err)
	}
	s := segment{bytes: len(a.body), from: a.host, redirect: a.redirects}
	for _, p := range parts {
		for _, track := range p.Tracks {
			for i, sample := range track.Samples {
				if s.samples == 0 && i == 0 {
					s.start = (float64(track.BaseTime) + float64(sample.PTSOffset)) / float64(scale)
					s.sync = !sample.IsNonSyncSample
				}
				s.seconds += float64(sample.Duration) / float64(scale)
				s.samples++
			}
		}
	}
	return s
}

func ended(body string) bool { return strings.Contains(body, "#EXT-X-ENDLIST") }
