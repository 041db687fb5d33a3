package web_test

import (
	"compress/gzip"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pharos-live/pharos/internal/hls"
	"github.com/pharos-live/pharos/internal/registry"
)

func sheetOf(number, revision uint64, count int) hls.Sheet {
	return hls.Sheet{
		Number: number, Revision: revision, Start: time.Duration(number) * 125 * time.Second, Interval: 5 * time.Second,
		Count: count, Columns: hls.SheetColumns, Width: 160, Height: 90, Term: term,
	}
}

func TestPictures(t *testing.T) {
	t.Parallel()
	base := "/hls/" + broadcast
	const short, long = "public, max-age=5", "public, max-age=3600"
	tests := []struct {
		name, path string
		status     int
		location   string // behind the broadcast
		cache      string
	}{
		{name: "a channel's poster", path: "/live/main/poster.jpg", status: 302, location: "/poster/4.7.jpg", cache: short},
		{name: "a channel that has none yet", path: "/live/new/poster.jpg", status: 404},
		{name: "an offline channel", path: "/live/nobody/poster.jpg", status: 404},
		{name: "a broadcast's poster", path: base + "/poster.jpg", status: 302, location: "/poster/4.7.jpg", cache: short},
		{name: "a broadcast that nobody knows", path: "/hls/01JD0000000000000000000001/poster.jpg", status: 404},
		{name: "a full sheet", path: base + "/sheets/0-8.jpg", status: 302, location: "/sheets/0-8.7.jpg", cache: long},
		{name: "the sheet that grows", path: base + "/sheets/1-3.jpg", status: 302, location: "/sheets/1-3.7.jpg", cache: short},
		{name: "a revision that is gone", path: base + "/sheets/1-1.jpg", status: 302, location: "/sheets/1-3.7.jpg", cache: short},
		{name: "a revision that is not here yet", path: base + "/sheets/1-4.jpg", status: 302, location: "/sheets/1-3.7.jpg", cache: short},
		{name: "a sheet to come", path: base + "/sheets/2-1.jpg", status: 404},
		{name: "a sheet of no number", path: base + "/sheets/x-1.jpg", status: 404},
		{name: "a sheet of no revision", path: base + "/sheets/1.jpg", status: 404},
		{name: "another file among the sheets", path: base + "/sheets/1-3.png", status: 404},
		{name: "a storyboard of nothing known", path: "/hls/01JD0000000000000000000001/storyboard.vtt", status: 404},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T, r *rig) {
				r.live["main"] = registry.Live{Channel: "main", Broadcast: broadcast, Term: term, State: registry.StateLive, Poster: 4}
				r.live["new"] = registry.Live{Channel: "new", Broadcast: broadcast, Term: term, State: registry.StateLive}
				if strings.Contains(tt.path, broadcast) || strings.HasPrefix(tt.path, "/live/") {
					r.append(take())
					r.segment(false)
					r.append(hls.Poster{Number: 3, Term: term}, hls.Poster{Number: 4, Term: term}, sheetOf(0, 8, 25), sheetOf(1, 3, 6))
				}
				rec := r.get(t.Context(), tt.path)
				if rec.Code != tt.status {
					t.Fatalf("got status %d, want %d: %s", rec.Code, tt.status, rec.Body)
				}
				if got := rec.Header().Get("Location"); tt.location != "" && !strings.HasSuffix(got, "/"+broadcast+tt.location) {
					t.Errorf("got location %q, want %q", got, tt.location)
				}
				if got := rec.Header().Get("Cache-Control"); tt.cache != "" && got != tt.cache {
					t.Errorf("got Cache-Control %q, want %q", got, tt.cache)
				}
				if rec.Header().Get("Access-Control-Allow-Origin") != "*" {
					t.Error("no Access-Control-Allow-Origin")
				}
				if strings.HasPrefix(tt.path, "/live/") && r.snapshots > 0 {
					t.Error("the feed was read for a channel's poster: a page of many channels would follow them all")
				}
			})
		})
	}
}

func TestStoryboard_GrowsWithTheBroadcast(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, r *rig) {
		path := "/hls/" + broadcast + "/storyboard.vtt"
		r.append(take())
		r.segment(false)
		if rec := r.get(t.Context(), path); rec.Code != 404 {
			t.Errorf("got %d of a broadcast without pictures, want 404", rec.Code)
		}
		r.append(sheetOf(0, 1, 1))
		synctest.Wait()
		rec := r.get(t.Context(), path)
		want := "WEBVTT\n\n00:00:00.000 --> 00:00:05.000\n/hls/" + broadcast + "/sheets/0-1.jpg#xywh=0,0,160,90\n"
		if rec.Code != 200 || rec.Body.String() != want {
			t.Errorf("got %d:\n%s\nwant:\n%s", rec.Code, rec.Body, want)
		}
		for name, want := range map[string]string{
			"Content-Type": "text/vtt; charset=utf-8", "Cache-Control": "public, max-age=5", "Vary": "Accept-Encoding",
			"Access-Control-Allow-Origin": "*",
		} {
			if got := rec.Header().Get(name); got != want {
				t.Errorf("got %s %q, want %q", name, got, want)
			}
		}
		r.append(sheetOf(0, 2, 3))
		synctest.Wait()
		rec = r.get(t.Context(), path, "Accept-Encoding", "gzip")
		z, err := gzip.NewReader(rec.Body)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(z)
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(body), "/sheets/0-2.jpg#"); n != 3 {
			t.Errorf("got %d pictures of the second revision, want 3:\n%s", n, body)
		}
	})
}

func TestStatus_TellsOfPicturesOnceThereAreSome(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, r *rig) {
		live := registry.Live{Channel: "main", Broadcast: broadcast, Term: term, State: registry.StateLive}
		r.live["main"] = live
		if body := r.get(t.Context(), "/api/v1/channels/main").Body.String(); strings.Contains(body, "poster") || strings.Contains(body, "storyboard") {
			t.Errorf("got %s before there is a poster", body)
		}
		live.Poster = 1
		r.mu.Lock()
		r.live["main"] = live
		r.mu.Unlock()
		time.Sleep(time.Second)
		body := r.get(t.Context(), "/api/v1/channels/main").Body.String()
		for _, want := range []string{`"poster":"/live/main/poster.jpg"`, `"storyboard":"/hls/` + broadcast + `/storyboard.vtt"`} {
			if !strings.Contains(body, want) {
				t.Errorf("got %s, want %s in it", body, want)
			}
		}
	})
}
