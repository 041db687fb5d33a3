//go:build integration

package web_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/pharos-live/pharos/internal/hls"
	"github.com/pharos-live/pharos/internal/objstore"
	"github.com/pharos-live/pharos/internal/objstore/objstoretest"
	"github.com/pharos-live/pharos/internal/registry"
	"github.com/pharos-live/pharos/web"
)

// TestMedia_FromARealBucketForPagesOfOtherOrigins is what a browser does with a part, a segment and an init
// section: on both hops any origin is allowed. Behind a redirect to another origin a browser sends
// "Origin: null".
func TestMedia_FromARealBucketForPagesOfOtherOrigins(t *testing.T) {
	t.Parallel()
	g := objstoretest.VersityGW(t)
	private := g.Options(g.Bucket(t))
	bucket, base := g.PublicBucket(t)
	public := g.Options(bucket)
	public.PublicURL = base
	for _, tt := range []struct {
		name  string
		o     objstore.S3Options
		proxy bool
	}{{"presigned", private, false}, {"public", public, false}, {"proxy", private, true}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			store, err := objstore.OpenS3(tt.o)
			if err != nil {
				t.Fatal(err)
			}
			defer store.Close()
			origin := onBucket(t, store, tt.proxy)
			for path, key := range map[string]string{
				"/source/p2.m4s":      hls.PartKey(broadcast, "source", 2, term),
				"/audio/s0.m4s":       hls.SegmentKey(broadcast, "audio", 0, term),
				"/source/init-aa.mp4": hls.InitKey(broadcast, "source", "aa"),
			} {
				if err := store.Put(t.Context(), key, []byte("media of "+key), objstore.PutOptions{}); err != nil {
					t.Fatal(err)
				}
				hop := ask(t, http.MethodGet, origin+"/hls/"+broadcast+path, "https://page.example")
				if !tt.proxy {
					if hop.StatusCode != http.StatusFound || hop.Header.Get("Access-Control-Allow-Origin") != "*" {
						t.Fatalf("%s: status %d and origin %q, want 302 and *", path, hop.StatusCode, hop.Header.Get("Access-Control-Allow-Origin"))
					}
					to := hop.Header.Get("Location")
					preflight := ask(t, http.MethodOptions, to, "null", "Access-Control-Request-Method", "GET", "Access-Control-Request-Headers", "range")
					if preflight.StatusCode/100 != 2 {
						t.Errorf("%s: the bucket answers a preflight with %d", path, preflight.StatusCode)
					}
					hop = ask(t, http.MethodGet, to, "null")
				}
				body, err := io.ReadAll(hop.Body)
				if err != nil || hop.StatusCode != http.StatusOK || string(body) != "media of "+key {
					t.Errorf("%s: status %d and %q (%v), want the object", path, hop.StatusCode, body, err)
				}
				for name, want := range map[string]string{
					"Access-Control-Allow-Origin": "*", "Cache-Control": "public, max-age=31536000, immutable", "Content-Type": objstore.ContentType(key),
				} {
					if got := hop.Header.Get(name); got != want {
						t.Errorf("%s: %s is %q, want %q", path, name, got, want)
					}
				}
			}
		})
	}
}

// onBucket is a Server on a socket, with a broadcast whose media is in store.
func onBucket(t *testing.T, store web.Store, proxy bool) string {
	t.Helper()
	s := &station{t: t, live: map[string]registry.Live{}}
	s.append(take())
	s.segment(false)
	srv, err := web.New(s, s, s, store, nil, web.Options{Proxy: proxy})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Run(ctx) }()
	listening := httptest.NewServer(srv.Handler())
	t.Cleanup(func() { listening.Close(); cancel(); <-done })
	for { // Run lets controllers live
		if ask(t, http.MethodGet, listening.URL+playlistOf("source"), "https://page.example").StatusCode == http.StatusOK {
			return listening.URL
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// ask makes one request as a page of that origin, and follows no redirect.
func ask(t *testing.T, method, url, origin string, header ...string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Origin", origin)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}
