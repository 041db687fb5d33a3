package web_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pharos-live/pharos/internal/hls"
	"github.com/pharos-live/pharos/internal/registry"
)

// TestHeaders holds the table of lifetimes, and that whatever is answered may be
// read by a player on another origin, which after a redirect to another host says
// "Origin: null".
func TestHeaders_OfEveryKindOfAnswer(t *testing.T) {
	t.Parallel()
	const (
		soon      = "public, max-age=1" // errors, too: what is about to start must not be missed
		presigned = "public, max-age=3600"
	)
	rendition := "/hls/" + broadcast + "/source/"
	tests := []struct {
		name, path string
		ended      bool
		status     int
		cache      string
		zipped     bool
	}{
		{"the multivariant playlist of a channel", "/live/main/index.m3u8", false, 200, "public, max-age=2", true},
		{"that of a broadcast", "/hls/" + broadcast + "/index.m3u8", false, 200, "public, max-age=2", true},
		{"a plain playlist: half a target duration", rendition + "index.m3u8", false, 200, "public, max-age=1", true},
		{"a delta update is as plain", rendition + "index.m3u8?_HLS_skip=YES", false, 200, "public, max-age=1", true},
		{"a blocking one: six", rendition + "index.m3u8?_HLS_msn=1&_HLS_part=0", false, 200, "public, max-age=12", true},
		{"a blocking delta update: six", rendition + "index.m3u8?_HLS_msn=1&_HLS_skip=YES", false, 200, "public, max-age=12", true},
		{"the last playlist", rendition + "index.m3u8", true, 200, "public, max-age=12", true},
		{"and with directives", rendition + "index.m3u8?_HLS_msn=77&_HLS_part=3&_HLS_skip=YES", true, 200, "public, max-age=12", true},
		{"a request that cannot be", rendition + "index.m3u8?_HLS_part=0", false, 400, soon, false},
		{"one too far ahead", rendition + "index.m3u8?_HLS_msn=99", false, 400, soon, false},
		{"one that is held in vain", rendition + "index.m3u8?_HLS_msn=3", false, 503, soon, false},
		{"a part", rendition + "p3.m4s", false, 302, presigned, false},
		{"a segment", rendition + "s1.m4s", false, 302, presigned, false},
		{"an init section", rendition + "init-aa.mp4", false, 302, presigned, false},
		{"a part that is not there", rendition + "p99.m4s", false, 404, soon, false},
		{"a part that is held in vain", rendition + "p8.m4s", false, 503, soon, false},
		{"a hint that was dropped", rendition + "p8.m4s", true, 404, soon, false},
		{"a segment that is not there", rendition + "s99.m4s", false, 404, soon, false},
		{"an unknown rendition", "/hls/" + broadcast + "/4k/index.m3u8", false, 404, soon, false},
		{"an unknown broadcast", "/hls/nothing/index.m3u8", false, 404, soon, false},
		{"an offline channel", "/live/nobody/index.m3u8", false, 404, soon, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T, r *rig) {
				r.live["main"] = registry.Live{Channel: "main", Broadcast: broadcast, State: registry.StateLive}
				r.append(take())
				r.segment(false)
				r.segment(false)
				if tt.ended {
					r.append(hls.End{})
				}
				for _, origin := range []string{"https://player.example", "null"} {
					rec := r.get(t.Context(), tt.path, "Origin", origin, "Accept-Encoding", "gzip")
					h := rec.Header()
					if rec.Code != tt.status || h.Get("Cache-Control") != tt.cache {
						t.Errorf("got %d, Cache-Control %q; want %d, %q: %s", rec.Code, h.Get("Cache-Control"), tt.status, tt.cache, rec.Body)
					}
					if h.Get("Access-Control-Allow-Origin") != "*" || h.Get("Access-Control-Allow-Credentials") != "" {
						t.Errorf("Access-Control-Allow-Origin is %q for origin %s", h.Get("Access-Control-Allow-Origin"), origin)
					}
					if exposed := h.Get("Access-Control-Expose-Headers"); !strings.Contains(exposed, "Age") || !strings.Contains(exposed, "Date") {
						t.Errorf("Access-Control-Expose-Headers is %q", exposed)
					}
					if zipped := h.Get("Content-Encoding") == "gzip" && h.Get("Vary") == "Accept-Encoding"; zipped != tt.zipped {
						t.Errorf("Content-Encoding is %q, Vary %q", h.Get("Content-Encoding"), h.Get("Vary"))
					}
					if tt.status < 300 && h.Get("Content-Length") == "" {
						t.Error("no Content-Length")
					}
				}
			})
		})
	}
}

func TestPreflight_IsAnsweredForEveryPath(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, r *rig) {
		for _, path := range []string{"/live/main/index.m3u8", playlistOf("source"), "/hls/x/source/p1.m4s", "/media/x/p1.m4s", "/api/v1/channels", "/nothing/at/all"} {
			req := httptest.NewRequestWithContext(t.Context(), http.MethodOptions, path, nil)
			req.Header.Set("Origin", "null")
			rec := httptest.NewRecorder()
			r.handler.ServeHTTP(rec, req)
			h := rec.Header()
			if rec.Code != http.StatusNoContent || h.Get("Access-Control-Allow-Origin") != "*" ||
				!strings.Contains(h.Get("Access-Control-Allow-Headers"), "Range") || h.Get("Access-Control-Max-Age") != "86400" {
				t.Errorf("%s: got %d %v", path, rec.Code, h)
			}
		}
	})
}

// TestEnd_ReleasesEveryoneAtOnce holds each kind of request that can be held.
func TestEnd_ReleasesEveryoneAtOnce(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, r *rig) {
		r.append(take())
		r.segment(false)
		r.get(t.Context(), playlistOf("source"))
		type waiter struct {
			path   string
			status int
			done   chan *httptest.ResponseRecorder
		}
		var waiting []waiter
		for path, status := range map[string]int{
			playlistOf("source") + "?_HLS_msn=1":                           200,
			playlistOf("source") + "?_HLS_msn=1&_HLS_part=0&_HLS_skip=YES": 200,
			playlistOf("audio") + "?_HLS_msn=2":                            200,
			playlistOf("audio") + "?_HLS_msn=0&_HLS_part=4":                200, // rolls over
			"/hls/" + broadcast + "/source/p4.m4s":                         404,
			"/hls/" + broadcast + "/audio/p5.m4s":                          404,
		} {
			w := waiter{path, status, make(chan *httptest.ResponseRecorder, 1)}
			waiting = append(waiting, w)
			go func() { w.done <- r.get(t.Context(), path) }()
		}
		synctest.Wait()
		began := time.Now()
		r.append(hls.End{Reason: "done"})
		for _, w := range waiting {
			rec := <-w.done
			if ended := strings.Contains(rec.Body.String(), "#EXT-X-ENDLIST"); rec.Code != w.status || ended != (w.status == 200) {
				t.Errorf("%s: got %d\n%s", w.path, rec.Code, rec.Body)
			}
		}
		if took := time.Since(began); took > 0 {
			t.Errorf("they were released %v after the end", took)
		}
	})
}
