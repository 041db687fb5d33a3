package objstoretest

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pharos-live/pharos/internal/objstore"
)

// immutable is the Cache-Control of media.
const immutable = "public, max-age=31536000, immutable"

func testURL(t *testing.T, s objstore.Store) {
	tests := []struct{ key, contentType, cacheControl string }{
		{"b/720p30/p12.1700000000000.m4s", "video/mp4", immutable},
		{"b/audio/p12.1700000000000.m4s", "audio/mp4", immutable},
		{"b/source/init-abc123.mp4", "video/mp4", immutable},
		{"b/audio/init-abc123.mp4", "audio/mp4", immutable},
		{"b/source/s3.1700000000000.m4s", "video/mp4", immutable},
		{"b/audio/s3.1700000000000.m4s", "audio/mp4", immutable},
		{"b/poster-4.1700000000000.jpg", "image/jpeg", immutable},
		{"b/storyboard.vtt", "text/vtt; charset=utf-8", "no-cache"},
		{"b/source/index.m3u8", "application/vnd.apple.mpegurl", "no-cache"},
		{"b/journal/7-0.json", "application/json", "no-cache"},
		{"b/index.m3u8", "application/vnd.apple.mpegurl", "no-cache"},
		{"b/other", "application/octet-stream", "no-cache"},
	}
	for _, tt := range tests {
		body := pattern(1000, 5)
		put(t, s, tt.key, body)
		resp, got := fetch(t, s, tt.key, nil)
		if resp.StatusCode != http.StatusOK || !bytes.Equal(got, body) {
			t.Errorf("%s: status %d, %d bytes, want 200 and the %d put", tt.key, resp.StatusCode, len(got), len(body))
		}
		want := map[string]string{"Content-Type": tt.contentType, "Cache-Control": tt.cacheControl, "Access-Control-Allow-Origin": "*"}
		if diff := cmp.Diff(want, pick(resp.Header, want)); diff != "" {
			t.Errorf("%s: headers (-want +got):\n%s", tt.key, diff)
		}
	}
	for i, key := range oddKeys {
		if strings.HasPrefix(key, "_") { // not media: not every store gives them out
			continue
		}
		put(t, s, key, pattern(10+i, byte(i)))
		if resp, got := fetch(t, s, key, nil); resp.StatusCode != http.StatusOK || !bytes.Equal(got, pattern(10+i, byte(i))) {
			t.Errorf("%q: status %d, body %q", key, resp.StatusCode, got)
		}
	}
}

func testURLRange(t *testing.T, s objstore.Store) {
	body := pattern(1000, 5)
	put(t, s, "b/source/s1.7.m4s", body)
	resp, got := fetch(t, s, "b/source/s1.7.m4s", http.Header{"Range": {"bytes=100-199"}})
	if resp.StatusCode != http.StatusPartialContent || !bytes.Equal(got, body[100:200]) {
		t.Errorf("status %d, %d bytes, want 206 and the 100 asked for", resp.StatusCode, len(got))
	}
	if got, want := resp.Header.Get("Content-Range"), "bytes 100-199/1000"; got != want {
		t.Errorf("Content-Range: %q, want %q", got, want)
	}
}

func testURLNotFound(t *testing.T, s objstore.Store) {
	put(t, s, "b/source/p1.7.m4s", nil)
	for _, key := range []string{"b/source/p2.7.m4s", "b/source", "b"} {
		if resp, _ := fetch(t, s, key, nil); resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s: status %d, want 404", key, resp.StatusCode)
		}
	}
}

// fetch does what a browser on another origin does with the URL of key. A URL that is a path is
// served by the store's own handler.
func fetch(t *testing.T, s objstore.Store, key string, header http.Header) (*http.Response, []byte) {
	t.Helper()
	u, err := s.URL(key, time.Now())
	if err != nil {
		t.Fatalf("URL of %q: %v", key, err)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, u, nil)
	maps.Copy(r.Header, header)
	r.Header.Set("Origin", "https://page.example")
	var resp *http.Response
	if strings.HasPrefix(u, "/") {
		own, ok := s.(interface{ Handler() http.Handler })
		if !ok {
			t.Fatalf("the URL of %q is the path %s, but %T has no Handler", key, u, s)
		}
		w := httptest.NewRecorder()
		own.Handler().ServeHTTP(w, r)
		resp = w.Result()
	} else {
		r.RequestURI = "" // must be empty in a client's request
		if resp, err = http.DefaultClient.Do(r); err != nil {
			t.Fatalf("fetch %s: %v", u, err)
		}
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("fetch %s: read: %v", u, err)
	}
	return resp, body
}

// pick returns the first values of the headers that want names.
func pick(h http.Header, want map[string]string) map[string]string {
	got := make(map[string]string)
	for name := range want {
		got[name] = h.Get(name)
	}
	return got
}
