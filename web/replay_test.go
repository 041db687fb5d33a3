package web_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/pharos-live/pharos/internal/hls"
	"github.com/pharos-live/pharos/internal/objstore"
	"github.com/pharos-live/pharos/internal/replay"
)

const vodText = "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-ENDLIST\n"

// recorded puts a replay into the bucket.
func (r *rig) recorded(id, channel string, change func(*replay.Index)) {
	r.t.Helper()
	i := replay.Index{
		Version: 1, Broadcast: id, Channel: channel, Started: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC), Duration: 61.5,
		Playlist: replay.PlaylistKey(id), Poster: id + "/poster-3.7.jpg", Storyboard: replay.StoryboardKey(id), State: replay.StateReady,
	}
	if change != nil {
		change(&i)
	}
	doc, err := json.Marshal(i)
	if err != nil {
		r.t.Fatal(err)
	}
	for key, body := range map[string]string{
		replay.IndexKey(id): string(doc), replay.PlaylistKey(id): vodText, replay.MediaKey(id, "source"): vodText,
		replay.StoryboardKey(id): "WEBVTT\n",
	} {
		if err := r.store.Put(r.t.Context(), key, []byte(body), objstore.PutOptions{}); err != nil {
			r.t.Fatal(err)
		}
	}
}

func TestReplay_PlaylistsComeFromHere(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, r *rig) {
		r.recorded(broadcast, "main", nil)
		for path, want := range map[string]struct{ kind, body string }{
			"index.m3u8":        {hls.ContentType, vodText},
			"source/index.m3u8": {hls.ContentType, vodText},
			"storyboard.vtt":    {"text/vtt; charset=utf-8", "WEBVTT\n"},
		} {
			rec := r.get(t.Context(), "/replay/"+broadcast+"/"+path)
			h := rec.Header()
			if rec.Code != 200 || rec.Body.String() != want.body || h.Get("Content-Type") != want.kind {
				t.Errorf("%s: got %d %s %q", path, rec.Code, h.Get("Content-Type"), rec.Body)
			}
			if h.Get("Access-Control-Allow-Origin") != "*" || h.Get("Cache-Control") != "public, max-age=600" || h.Get("Vary") != "Accept-Encoding" {
				t.Errorf("%s: got headers %v", path, h)
			}
			if zipped := r.get(t.Context(), "/replay/"+broadcast+"/"+path, "Accept-Encoding", "gzip"); zipped.Header().Get("Content-Encoding") != "gzip" {
				t.Errorf("%s: is not compressed for those who take it", path)
			}
		}
	})
}

func TestReplay_MediaComesFromTheBucket(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, r *rig) {
		r.recorded(broadcast, "main", nil)
		for path, want := range map[string]string{
			"source/s0.7.m4s":          "source/s0.7.m4s",
			"720p30-h265/s12.1795.m4s": "720p30-h265/s12.1795.m4s",
			"audio/init-00ff.mp4":      "audio/init-00ff.mp4",
			"poster/4.7.jpg":           "poster/4.7.jpg",
			"sheets/3-2.7.jpg":         "sheets/3-2.7.jpg",
			"poster.jpg":               "poster-3.7.jpg",
		} {
			rec := r.get(t.Context(), "/replay/"+broadcast+"/"+path)
			if got := rec.Header().Get("Location"); rec.Code != http.StatusFound || got != "/media/"+broadcast+"/"+want {
				t.Errorf("%s: got %d to %q, want a redirect to %s", path, rec.Code, got, want)
			}
		}
	})
}

func TestReplay_NothingOutsideItsFolder(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, r *rig) {
		r.recorded(broadcast, "main", nil)
		for _, path := range []string{
			broadcast + "/journal/7-0.json", broadcast + "/source/p1.7.m4s", broadcast + "/..%2f_channels/main.json",
			broadcast + "/source/..%2f..%2fx.jpg", broadcast + "/source%2f..%2f..%2fs0.7.m4s", broadcast + "/source/s0.m4s",
			broadcast + "/.hidden.jpg", broadcast + "/a/b/c.jpg", broadcast + "/_x/index.m3u8", broadcast + "/source/gap.m4s",
			"_channels/main.json", "_replays/" + broadcast + ".json", "nothing/index.m3u8", "nothing",
			"01JD0000000000000000000001/index.m3u8", "01JD0000000000000000000001",
		} {
			if rec := r.get(t.Context(), "/replay/"+path); rec.Code != http.StatusNotFound {
				t.Errorf("%s: got %d to %q, want 404", path, rec.Code, rec.Header().Get("Location"))
			}
		}
	})
}

func TestReplay_Page(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, r *rig) {
		r.recorded(broadcast, "main", nil)
		rec := r.get(t.Context(), "/replay/"+broadcast)
		for _, want := range []string{
			`data-kind="replay"`, `data-broadcast="` + broadcast + `"`, `data-channel="main"`,
			`data-playlist="/replay/` + broadcast + `/index.m3u8"`, "<title>main, 22 November 2026",
		} {
			if !strings.Contains(rec.Body.String(), want) {
				t.Errorf("the page has no %s:\n%s", want, rec.Body)
			}
		}
	})
}

// replays are the broadcasts that the API lists.
func (r *rig) replays(t *testing.T, query string) []string {
	t.Helper()
	rec := r.get(t.Context(), "/api/v1/replays"+query)
	var all struct{ Replays []map[string]any }
	if err := json.Unmarshal(rec.Body.Bytes(), &all); err != nil || rec.Code != 200 {
		t.Fatalf("got %d, %v:\n%s", rec.Code, err, rec.Body)
	}
	ids := []string{}
	for _, one := range all.Replays {
		ids = append(ids, one["broadcast"].(string))
	}
	return ids
}

func TestReplays_AreListedNewestFirst(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, r *rig) {
		if got := r.get(t.Context(), "/api/v1/replays").Body.String(); got != "{\"replays\":[]}\n" {
			t.Errorf("got %s of an empty bucket", got)
		}
		var ids []string
		for n := range 60 {
			id := ulid.MustNew(uint64(1_700_000_000_000+n), nil).String()
			ids = append(ids, id)
			r.recorded(id, map[bool]string{true: "odd", false: "even"}[n%2 == 1], func(i *replay.Index) {
				if n == 59 {
					i.State = replay.StateEmpty
				}
			})
		}
		time.Sleep(6 * time.Second)
		got := r.replays(t, "")
		if len(got) != 50 || got[0] != ids[58] || got[49] != ids[9] {
			t.Errorf("got %d from %s to %s, want the newest 50 that can be watched", len(got), got[0], got[len(got)-1])
		}
		if got := r.replays(t, "?channel=even"); len(got) != 30 || got[0] != ids[58] || got[29] != ids[0] {
			t.Errorf("got %d of one channel, want its 30", len(got))
		}
		if got := r.replays(t, "?channel=nobody"); len(got) != 0 {
			t.Errorf("got %v of a channel without replays", got)
		}
		if err := r.store.Delete(t.Context(), replay.IndexKey(ids[58])); err != nil {
			t.Fatal(err)
		}
		time.Sleep(6 * time.Second)
		if got := r.replays(t, ""); got[0] != ids[57] {
			t.Errorf("got %s first, want no more what was deleted", got[0])
		}
	})
}

func TestReplays_SayWhatThePageNeeds(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, r *rig) {
		r.recorded(broadcast, "main", nil)
		want := fmt.Sprintf(`{"replays":[{"broadcast":%[1]q,"channel":"main","started":"2026-11-22T12:00:00Z","duration":61.5,`+
			`"playlist":"/replay/%[1]s/index.m3u8","poster":"/replay/%[1]s/poster.jpg","storyboard":"/replay/%[1]s/storyboard.vtt"}]}`+"\n", broadcast)
		if got := r.get(t.Context(), "/api/v1/replays?channel=main").Body.String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

func TestReplays_TheBucketIsAskedOnce(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	bubble(t, func(t *testing.T, r *rig) {
		r.recorded(broadcast, "main", nil)
		r.store.Delay = func(string) time.Duration { asked.Add(1); return 100 * time.Millisecond }
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() { r.get(t.Context(), "/replay/"+broadcast+"/source/index.m3u8") })
		}
		wg.Wait()
		r.get(t.Context(), "/replay/"+broadcast+"/source/index.m3u8")
		if got := asked.Load(); got != 1 {
			t.Errorf("the bucket was asked %d times by 101 viewers, want once", got)
		}
		for range 10 {
			r.get(t.Context(), "/replay/01JD0000000000000000000001/index.m3u8")
		}
		if got := asked.Load(); got != 2 {
			t.Errorf("the bucket was asked %d times more for what is not there, want once", got-1)
		}
		synctest.Wait()
	})
}

func TestReplay_TheBucketIsAway(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, r *rig) {
		r.recorded(broadcast, "main", nil)
		r.store.Fail = func(string) error { return errors.New("no route to the bucket") }
		rec := r.get(t.Context(), "/replay/"+broadcast+"/index.m3u8")
		if rec.Code != http.StatusServiceUnavailable || strings.Contains(rec.Body.String(), "route") {
			t.Errorf("got %d %q, want 503 without the cause", rec.Code, rec.Body)
		}
	})
}

func TestLive_StaysAtItsURLAfterTheEnd(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, r *rig) {
		r.append(take())
		r.segment(false)
		r.append(hls.End{})
		if rec := r.get(t.Context(), "/live/main/index.m3u8"); rec.Code != http.StatusNotFound {
			t.Errorf("got %d for a channel that never was live, want 404", rec.Code)
		}
		r.recorded(broadcast, "main", nil)
		time.Sleep(6 * time.Second)
		rec := r.get(t.Context(), "/live/main/index.m3u8")
		if rec.Code != 200 || !strings.Contains(rec.Body.String(), "/hls/"+broadcast+"/source/index.m3u8") {
			t.Errorf("got %d:\n%s\nwant what was live", rec.Code, rec.Body)
		}
		if rec := r.get(t.Context(), playlistOf("source")); !strings.Contains(rec.Body.String(), "#EXT-X-ENDLIST") {
			t.Errorf("its playlist has no end:\n%s", rec.Body)
		}
	})
}
