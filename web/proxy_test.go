package web_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pharos-live/pharos/internal/hls"
	"github.com/pharos-live/pharos/internal/objstore"
	"github.com/pharos-live/pharos/web"
)

// proxied runs f with a rig through which media passes.
func proxied(t *testing.T, f func(t *testing.T, r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r, stop := newRigWith(t, func(o *web.Options) { o.Proxy = true })
		synctest.Wait()
		defer stop()
		r.append(take())
		r.segment(false)
		f(t, r)
	})
}

func (r *rig) put(key string, body []byte) {
	r.t.Helper()
	if err := r.store.Put(r.t.Context(), key, body, objstore.PutOptions{}); err != nil {
		r.t.Fatal(err)
	}
}

func TestProxy_ServesMediaFromMemory(t *testing.T) {
	t.Parallel()
	const forEver = "public, max-age=31536000, immutable"
	body := bytes.Repeat([]byte("0123456789"), 100)
	tests := []struct {
		name, path, key string
		header          []string
		status          int
		want            map[string]string
		body            []byte
	}{
		{
			name: "a part", path: "/source/p2.m4s", key: hls.PartKey(broadcast, "source", 2, term), status: 200,
			want: map[string]string{"Content-Type": "video/mp4", "Cache-Control": forEver, "Content-Length": "1000", "Access-Control-Allow-Origin": "*"}, body: body,
		},
		{
			name: "a segment of audio", path: "/audio/s0.m4s", key: hls.SegmentKey(broadcast, "audio", 0, term), status: 200,
			want: map[string]string{"Content-Type": "audio/mp4", "Cache-Control": forEver, "Content-Length": "1000", "Accept-Ranges": "bytes"}, body: body,
		},
		{
			name: "an init section", path: "/source/init-aa.mp4", key: hls.InitKey(broadcast, "source", "aa"), status: 200,
			want: map[string]string{"Content-Type": "video/mp4", "Cache-Control": forEver}, body: body,
		},
		{
			name: "a range of a segment", path: "/source/s0.m4s", key: hls.SegmentKey(broadcast, "source", 0, term), header: []string{"Range", "bytes=100-199"}, status: 206,
			want: map[string]string{"Content-Type": "video/mp4", "Content-Range": "bytes 100-199/1000", "Content-Length": "100"}, body: body[100:200],
		},
		{
			name: "an open range", path: "/source/s0.m4s", key: hls.SegmentKey(broadcast, "source", 0, term), header: []string{"Range", "bytes=900-9007199254740991"}, status: 206,
			want: map[string]string{"Content-Range": "bytes 900-999/1000"}, body: body[900:],
		},
		{
			name: "a range beyond the end", path: "/source/s0.m4s", key: hls.SegmentKey(broadcast, "source", 0, term), header: []string{"Range", "bytes=1000-"}, status: 416,
			want: map[string]string{"Content-Range": "bytes */1000"},
		},
		{
			name: "an object that is gone", path: "/source/p1.m4s", key: "elsewhere", status: 404,
			want: map[string]string{"Cache-Control": "public, max-age=1"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			proxied(t, func(t *testing.T, r *rig) {
				r.put(tt.key, body)
				for range 2 { // from the bucket, then from memory
					rec := r.get(t.Context(), "/hls/"+broadcast+tt.path, tt.header...)
					if rec.Code != tt.status || tt.body != nil && !bytes.Equal(rec.Body.Bytes(), tt.body) {
						t.Errorf("got %d and %d bytes, want %d and %d", rec.Code, rec.Body.Len(), tt.status, len(tt.body))
					}
					got := map[string]string{}
					for name := range tt.want {
						got[name] = rec.Header().Get(name)
					}
					if diff := cmp.Diff(tt.want, got); diff != "" {
						t.Errorf("headers (-want +got):\n%s", diff)
					}
				}
				if got := r.web.Stats.Fetched.Load(); tt.status < 400 && got != 1 {
					t.Errorf("%d objects were read for two answers, want 1", got)
				}
				if got := r.web.Stats.Redirects.Load(); got != 0 {
					t.Errorf("%d redirects", got)
				}
			})
		})
	}
}

// TestProxy_AHintedPartBlocksAndIsReadOnce is a crowd that waits for the next part.
func TestProxy_AHintedPartBlocksAndIsReadOnce(t *testing.T) {
	t.Parallel()
	proxied(t, func(t *testing.T, r *rig) {
		body := bytes.Repeat([]byte("p"), 5000)
		r.store.Delay = func(string) time.Duration { return 20 * time.Millisecond }
		const viewers = 300
		answers := make(chan *httptest.ResponseRecorder, viewers)
		for range viewers {
			go func() { answers <- r.get(t.Context(), "/hls/"+broadcast+"/source/p4.m4s") }()
		}
		synctest.Wait()
		if len(answers) > 0 {
			t.Fatalf("%d were answered before the part was there", len(answers))
		}
		r.put(hls.PartKey(broadcast, "source", 4, term), body)
		r.part()
		for range viewers {
			rec := <-answers
			if rec.Code != http.StatusOK || !bytes.Equal(rec.Body.Bytes(), body) || rec.Header().Get("Content-Length") != strconv.Itoa(len(body)) {
				t.Fatalf("got %d and %d bytes, want the whole part", rec.Code, rec.Body.Len())
			}
		}
		if got := r.web.Stats.Fetched.Load(); got != 1 {
			t.Errorf("the part was read %d times for %d viewers, want once", got, viewers)
		}
	})
}

func TestProxy_AFailureIsNotRemembered(t *testing.T) {
	t.Parallel()
	proxied(t, func(t *testing.T, r *rig) {
		path := "/hls/" + broadcast + "/source/p2.m4s"
		r.put(hls.PartKey(broadcast, "source", 2, term), []byte("part"))
		away := true
		r.store.Fail = func(string) error {
			if away {
				return fmt.Errorf("the bucket is away")
			}
			return nil
		}
		if rec := r.get(t.Context(), path); rec.Code != http.StatusServiceUnavailable {
			t.Errorf("got %d while the bucket is away, want 503", rec.Code)
		}
		away = false
		if rec := r.get(t.Context(), path); rec.Code != http.StatusOK {
			t.Errorf("got %d once it is back, want 200", rec.Code)
		}
	})
}

func TestProxy_OneWhoLeavesTakesNobodyWithHim(t *testing.T) {
	t.Parallel()
	proxied(t, func(t *testing.T, r *rig) {
		path := "/hls/" + broadcast + "/source/p2.m4s"
		r.put(hls.PartKey(broadcast, "source", 2, term), []byte("part"))
		r.store.Delay = func(string) time.Duration { return time.Second }
		ctx, leave := context.WithCancel(t.Context())
		var first, second *httptest.ResponseRecorder
		var wg sync.WaitGroup
		wg.Go(func() { first = r.get(ctx, path) })
		synctest.Wait()
		wg.Go(func() { second = r.get(t.Context(), path) })
		synctest.Wait()
		leave()
		wg.Wait()
		if first.Code != http.StatusServiceUnavailable || second.Code != http.StatusOK || second.Body.String() != "part" {
			t.Errorf("the one who left got %d, the other %d %q, want the part", first.Code, second.Code, second.Body)
		}
		if got := r.web.Stats.Fetched.Load(); got != 1 {
			t.Errorf("read %d times, want once", got)
		}
	})
}

// TestSegment_IsPutTogetherOnceForAll: a crowd that asks for a segment without an object reads its parts once.
func TestSegment_IsPutTogetherOnceForAll(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, r *rig) {
		r.append(take())
		r.segment(true)
		var mu sync.Mutex
		read := map[string]int{}
		for n := range uint64(4) {
			r.put(hls.PartKey(broadcast, "source", n, term), []byte{byte('a' + n)})
		}
		r.store.Delay = func(key string) time.Duration {
			mu.Lock()
			defer mu.Unlock()
			read[key]++
			return 10 * time.Millisecond
		}
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() {
				var header []string
				want := "abcd"
				if i%2 == 1 {
					header, want = []string{"Range", "bytes=1-2"}, "bc"
				}
				if rec := r.get(t.Context(), "/hls/"+broadcast+"/source/s0.m4s", header...); rec.Body.String() != want {
					t.Errorf("got %d %q, want %q", rec.Code, rec.Body, want)
				}
			})
		}
		wg.Wait()
		if len(read) != 4 {
			t.Errorf("%d parts were read, want 4", len(read))
		}
		for key, n := range read {
			if n != 1 {
				t.Errorf("%s was read %d times, want once", key, n)
			}
		}
	})
}
