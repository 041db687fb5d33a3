package web_test

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pharos-live/pharos/internal/objstore"
	"github.com/pharos-live/pharos/internal/registry"
)

// bubble runs f with a rig in a synctest bubble.
func bubble(t *testing.T, f func(t *testing.T, r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r, stop := newRig(t)
		synctest.Wait() // Run has begun
		defer stop()
		f(t, r)
	})
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	hls := "/hls/" + broadcast
	tests := []struct {
		name, path string
		status     int
		location   string
		contains   string
	}{
		{name: "a channel's multivariant playlist", path: "/live/main/index.m3u8", status: 200, contains: hls + "/source/index.m3u8"},
		{name: "a broadcast's multivariant playlist", path: hls + "/index.m3u8", status: 200, contains: hls + "/source/index.m3u8"},
		{name: "a media playlist", path: hls + "/source/index.m3u8", status: 200, contains: "#EXT-X-PART-INF"},
		{name: "a part", path: hls + "/source/p3.m4s", status: 302, location: "memory:///" + broadcast + "/source/p3.7.m4s"},
		{name: "a segment", path: hls + "/audio/s1.m4s", status: 302, location: "memory:///" + broadcast + "/audio/s1.7.m4s"},
		{name: "an init section", path: hls + "/source/init-aa.mp4", status: 302, location: "memory:///" + broadcast + "/source/init-aa.mp4"},
		{name: "an offline channel", path: "/live/nobody/index.m3u8", status: 404},
		{name: "a channel that cannot be", path: "/live/No%20body/index.m3u8", status: 404},
		{name: "an unknown rendition", path: hls + "/1080p60/index.m3u8", status: 404},
		{name: "a part far ahead", path: hls + "/source/p99.m4s", status: 404},
		{name: "a part that is no number", path: hls + "/source/px.m4s", status: 404},
		{name: "an unknown init section", path: hls + "/source/init-bb.mp4", status: 404},
		{name: "an unknown file", path: hls + "/source/other.txt", status: 404},
		{name: "a part without its segment", path: hls + "/source/index.m3u8?_HLS_part=1", status: 400},
		{name: "a segment far ahead", path: hls + "/source/index.m3u8?_HLS_msn=99", status: 400},
		{name: "garbage", path: hls + "/source/index.m3u8?_HLS_msn=-1", status: 400},
		{name: "an old segment gets the current playlist", path: hls + "/source/index.m3u8?_HLS_msn=0", status: 200, contains: "#EXTM3U"},
		{name: "alive", path: "/healthz", status: 200, contains: "ok"},
		{name: "ready", path: "/readyz", status: 200, contains: "ready"},
		{name: "status of a channel", path: "/api/v1/channels/main", status: 200, contains: `"state":"live"`},
		{name: "status of an offline channel", path: "/api/v1/channels/nobody", status: 200, contains: `"state":"offline"`},
		{name: "the list of channels", path: "/api/v1/channels", status: 200, contains: `"channel":"main"`},
		{name: "the directory", path: "/", status: 200, contains: `data-kind="index"`},
		{name: "the watch page", path: "/main", status: 200, contains: `data-channel="main"`},
		{name: "the embedded page", path: "/main/embed", status: 200, contains: `data-kind="embed"`},
		{name: "the bundle", path: "/assets/app.js", status: 200, contains: "play()"},
		{name: "no such asset", path: "/assets/none.js", status: 404},
		{name: "a reserved name is no channel", path: "/metrics", status: 404},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T, r *rig) {
				r.live["main"] = registry.Live{Channel: "main", Broadcast: broadcast, State: registry.StateLive}
				r.append(take())
				r.segment(false)
				r.segment(false)
				rec := r.get(t.Context(), tt.path)
				if rec.Code != tt.status {
					t.Errorf("got status %d, want %d: %s", rec.Code, tt.status, rec.Body)
				}
				if got := rec.Header().Get("Location"); tt.location != "" && !strings.HasSuffix(got, strings.TrimPrefix(tt.location, "memory://")) {
					t.Errorf("got location %q, want %q", got, tt.location)
				}
				if !strings.Contains(rec.Body.String(), tt.contains) {
					t.Errorf("the answer does not contain %q:\n%s", tt.contains, rec.Body)
				}
				if rec.Header().Get("Access-Control-Allow-Origin") != "*" {
					t.Error("no Access-Control-Allow-Origin")
				}
			})
		})
	}
}

func TestBlockingReload_AnswersWithThePart(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, r *rig) {
		r.append(take())
		r.segment(false)
		done := make(chan *httptest.ResponseRecorder)
		go func() { done <- r.get(t.Context(), playlistOf("source")+"?_HLS_msn=1&_HLS_part=0") }()
		synctest.Wait()
		select {
		case rec := <-done:
			t.Fatalf("answered %d before the part was there", rec.Code)
		default:
		}
		r.part()
		rec := <-done
		if rec.Code != 200 || !strings.Contains(rec.Body.String(), `URI="p4.m4s"`) {
			t.Errorf("got %d:\n%s\nwant the playlist with part 4", rec.Code, rec.Body)
		}
		if got, want := rec.Header().Get("Cache-Control"), "public, max-age=12"; got != want {
			t.Errorf("got Cache-Control %q of a blocking answer, want %q: six target durations", got, want)
		}
	})
}

func TestHintedPart_BlocksThenRedirects(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, r *rig) {
		r.append(take())
		r.segment(false)
		done := make(chan *httptest.ResponseRecorder)
		go func() { done <- r.get(t.Context(), "/hls/"+broadcast+"/source/p4.m4s") }()
		synctest.Wait()
		r.part()
		if rec := <-done; rec.Code != http.StatusFound {
			t.Errorf("got %d, want a redirect to the part", rec.Code)
		}
	})
}

func TestBlockingReload_GivesUpAfterThreeTargetDurations(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, r *rig) {
		r.append(take())
		r.segment(false)
		began := time.Now()
		rec := r.get(t.Context(), playlistOf("source")+"?_HLS_msn=1&_HLS_part=0")
		if rec.Code != http.StatusServiceUnavailable {
			t.Errorf("got %d, want 503", rec.Code)
		}
		if got, want := time.Since(began), 3*target; got != want {
			t.Errorf("waited %v, want %v", got, want)
		}
	})
}

// TestWaiters_LeaveWithTheirClients fails in the bubble if any goroutine stays.
func TestWaiters_LeaveWithTheirClients(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, r *rig) {
		r.append(take())
		r.segment(false)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for range 500 {
			wg.Go(func() { r.get(ctx, playlistOf("source")+"?_HLS_msn=1&_HLS_part=0") })
		}
		synctest.Wait()
		began := time.Now()
		cancel()
		wg.Wait()
		if waited := time.Since(began); waited > 0 {
			t.Errorf("waiters stayed %v after their clients left", waited)
		}
	})
}

func TestWaiters_ShareOneFeedAndOneQuestion(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, r *rig) {
		r.live["main"] = registry.Live{Channel: "main", Broadcast: broadcast, State: registry.StateLive}
		r.append(take())
		r.segment(false)
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() { r.get(t.Context(), "/live/main/index.m3u8") })
		}
		wg.Wait()
		if r.snapshots != 1 {
			t.Errorf("%d snapshots for 100 viewers, want 1", r.snapshots)
		}
		if r.asked > 2 {
			t.Errorf("the registry was asked %d times by 100 viewers within an instant", r.asked)
		}
	})
}

func TestSegment_WaitsForItsObjectThenPassesThrough(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, r *rig) {
		r.append(take())
		r.segment(true)
		for n := range 4 {
			key := fmt.Sprintf("%s/source/p%d.%d.m4s", broadcast, n, term)
			if err := r.store.Put(t.Context(), key, []byte{byte('a' + n)}, objstore.PutOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		began := time.Now()
		rec := r.get(t.Context(), "/hls/"+broadcast+"/source/s0.m4s")
		if rec.Code != 200 || rec.Body.String() != "abcd" {
			t.Errorf("got %d %q, want the parts in order", rec.Code, rec.Body)
		}
		if waited := time.Since(began); waited != time.Second {
			t.Errorf("waited %v for the object, want a second", waited)
		}
		if got := r.web.Stats.Concatenated.Load(); got != 1 {
			t.Errorf("counted %d segments that passed through, want 1", got)
		}
	})
}

func TestFeed_AwayIsNotAnEnd(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, r *rig) {
		r.append(take())
		r.segment(false)
		r.get(t.Context(), playlistOf("source"))
		r.mu.Lock()
		r.fail = errors.New("connection refused")
		r.mu.Unlock()
		time.Sleep(10 * time.Second)
		if rec := r.get(t.Context(), playlistOf("source")); rec.Code != 200 {
			t.Errorf("got %d while the registry is away, want what there is", rec.Code)
		}
		r.mu.Lock()
		r.fail = nil
		r.mu.Unlock()
		r.segment(false)
		time.Sleep(1100 * time.Millisecond) // without a ring, the next look brings it
		if rec := r.get(t.Context(), playlistOf("source")); !strings.Contains(rec.Body.String(), "s1.m4s") {
			t.Errorf("the feed was not taken up again:\n%s", rec.Body)
		}
	})
}

func TestFeed_TrimmedMeansAFreshSnapshot(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, r *rig) {
		r.append(take())
		r.segment(false)
		r.get(t.Context(), playlistOf("source"))
		r.mu.Lock()
		r.fail = registry.ErrTrimmed
		r.mu.Unlock()
		time.Sleep(2 * time.Second)
		r.mu.Lock()
		r.fail = nil
		r.mu.Unlock()
		before := r.snapshots
		if rec := r.get(t.Context(), playlistOf("source")); rec.Code != 200 || r.snapshots != before+1 {
			t.Errorf("got %d after %d snapshots, want 200 from a fresh one", rec.Code, r.snapshots-before)
		}
	})
}

func TestPlaylists_AreCompressedForThoseWhoTakeIt(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, r *rig) {
		r.append(take())
		r.segment(false)
		plain := r.get(t.Context(), playlistOf("source"), "Accept-Encoding", "br, gzip;q=0")
		zipped := r.get(t.Context(), playlistOf("source"), "Accept-Encoding", "br, gzip;q=0.5")
		if plain.Header().Get("Content-Encoding") != "" || zipped.Header().Get("Content-Encoding") != "gzip" {
			t.Fatalf("encodings %q and %q, want none and gzip", plain.Header().Get("Content-Encoding"), zipped.Header().Get("Content-Encoding"))
		}
		z, err := gzip.NewReader(zipped.Body)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(z)
		if err != nil || string(got) != plain.Body.String() {
			t.Errorf("compressed and plain differ (%v)", err)
		}
		if plain.Header().Get("Vary") != "Accept-Encoding" {
			t.Error("no Vary: Accept-Encoding")
		}
	})
}

func TestStatus_UnchangedIsNotSentAgain(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, r *rig) {
		first := r.get(t.Context(), "/api/v1/channels/main")
		again := r.get(t.Context(), "/api/v1/channels/main", "If-None-Match", first.Header().Get("ETag"))
		if again.Code != http.StatusNotModified || again.Body.Len() > 0 {
			t.Errorf("got %d with %d bytes, want 304 with none", again.Code, again.Body.Len())
		}
		time.Sleep(time.Second)
		r.mu.Lock()
		r.live["main"] = registry.Live{Channel: "main", Broadcast: broadcast, State: registry.StateLive}
		r.mu.Unlock()
		if changed := r.get(t.Context(), "/api/v1/channels/main", "If-None-Match", first.Header().Get("ETag")); changed.Code != 200 {
			t.Errorf("got %d after a change, want 200", changed.Code)
		}
	})
}

func TestReadyz_SaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, r *rig) {
		r.ready = errors.New("waiting for REDIS_URL")
		rec := r.get(t.Context(), "/readyz")
		if rec.Code != http.StatusServiceUnavailable || !strings.Contains(rec.Body.String(), "REDIS_URL") {
			t.Errorf("got %d %q, want 503 naming what is waited for", rec.Code, rec.Body)
		}
	})
}
