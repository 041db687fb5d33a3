package objstore_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pharos-live/pharos/internal/objstore"
)

func TestHandler(t *testing.T) {
	t.Parallel()
	const immutable, miss = "public, max-age=31536000, immutable", "max-age=1"
	stores := map[string]interface {
		objstore.Store
		Handler() http.Handler
	}{"Dir": openDir(t, t.TempDir()), "Memory": new(objstore.Memory)}
	type answer struct {
		Status                            int
		Body, Length, Cache, Type, Origin string
	}
	tests := []struct {
		name, method, path, rangeHeader string
		want                            answer
	}{
		{"GET", http.MethodGet, "/media/b/source/p1.7.m4s", "", answer{200, "0123456789", "10", immutable, "video/mp4", "*"}},
		{"HEAD has no body", http.MethodHead, "/media/b/source/p1.7.m4s", "", answer{200, "", "10", immutable, "video/mp4", "*"}},
		{"a range", http.MethodGet, "/media/b/source/p1.7.m4s", "bytes=2-3", answer{206, "23", "2", immutable, "video/mp4", "*"}},
		{"a range beyond the end", http.MethodGet, "/media/b/source/p1.7.m4s", "bytes=20-", answer{416, "invalid range: failed to overlap\n", "", "", "text/plain; charset=utf-8", "*"}},
		{"a miss is hardly cached", http.MethodGet, "/media/b/source/p2.7.m4s", "", answer{404, "no such object\n", "", miss, "text/plain; charset=utf-8", "*"}},
		{"a folder is not listed", http.MethodGet, "/media/b/source/", "", answer{404, "no such object\n", "", miss, "text/plain; charset=utf-8", "*"}},
		{"nor by its name", http.MethodGet, "/media/b", "", answer{404, "no such object\n", "", miss, "text/plain; charset=utf-8", "*"}},
		{"nor is all", http.MethodGet, "/media/", "", answer{404, "no such object\n", "", miss, "text/plain; charset=utf-8", "*"}},
		{"the way up is closed", http.MethodGet, "/media/../secret", "", answer{404, "no such object\n", "", miss, "text/plain; charset=utf-8", "*"}},
		{"another way up", http.MethodGet, "/media/b/%2e%2e/%2e%2e/secret", "", answer{404, "no such object\n", "", miss, "text/plain; charset=utf-8", "*"}},
		{"what is being written is not media", http.MethodGet, "/media/.tmp", "", answer{404, "no such object\n", "", miss, "text/plain; charset=utf-8", "*"}},
		{"nor are the server's documents", http.MethodGet, "/media/_channels/c.json", "", answer{404, "no such object\n", "", miss, "text/plain; charset=utf-8", "*"}},
		{"nor is what is elsewhere", http.MethodGet, "/b/source/p1.7.m4s", "", answer{404, "no such object\n", "", miss, "text/plain; charset=utf-8", "*"}},
		{"preflight", http.MethodOptions, "/media/b/source/p1.7.m4s", "", answer{204, "", "", "", "", "*"}},
		{"media can only be read", http.MethodPut, "/media/b/source/p1.7.m4s", "", answer{405, "media can only be read\n", "", "", "text/plain; charset=utf-8", "*"}},
	}
	for name, s := range stores {
		for _, key := range []string{"b/source/p1.7.m4s", "_channels/c.json"} {
			if err := s.Put(t.Context(), key, []byte("0123456789"), objstore.PutOptions{}); err != nil {
				t.Fatalf("%s: Put: %v", name, err)
			}
		}
		for _, tt := range tests {
			t.Run(name+": "+tt.name, func(t *testing.T) {
				t.Parallel()
				r := httptest.NewRequestWithContext(t.Context(), tt.method, tt.path, nil)
				if tt.rangeHeader != "" {
					r.Header.Set("Range", tt.rangeHeader)
				}
				w := httptest.NewRecorder()
				s.Handler().ServeHTTP(w, r)
				h := w.Header()
				got := answer{w.Code, w.Body.String(), h.Get("Content-Length"), h.Get("Cache-Control"), h.Get("Content-Type"), h.Get("Access-Control-Allow-Origin")}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("%s %s (-want +got):\n%s", tt.method, tt.path, diff)
				}
			})
		}
	}
}

func TestHandler_PreflightAllowsRanges(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	new(objstore.Memory).Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodOptions, "/media/b", nil))
	for name, want := range map[string]string{"Access-Control-Allow-Headers": "Range", "Access-Control-Max-Age": "86400"} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}
