package web_test

import (
	"html"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/pharos-live/pharos/internal/registry"
	"github.com/pharos-live/pharos/web"
)

// head reads the tags of a page: the meta by property or name, links by rel.
func head(t *testing.T, page string) map[string]string {
	t.Helper()
	page, _, ok := strings.Cut(page, "</head>")
	if !ok {
		t.Fatalf("the page has no head:\n%s", page)
	}
	tags := map[string]string{}
	for _, m := range regexp.MustCompile(`<(?:meta (?:property|name)|link rel)="([^"]*)" (?:type="[^"]*" )?(?:content|href)="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		tags[m[1]] = html.UnescapeString(m[2])
	}
	return tags
}

func TestPage_TellsItsPreview(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, path, public string
		live               bool
		header             []string
		want               map[string]string
	}{
		{
			name: "a live channel", path: "/main", live: true,
			want: map[string]string{
				"og:title": "main is live – Pharos", "og:type": "video.other", "og:url": "http://example.com/main", "canonical": "http://example.com/main",
				"og:video": "http://example.com/main/embed", "twitter:card": "summary_large_image", "description": "Watch main live.",
				"alternate": "http://example.com/api/v1/oembed?url=http%3A%2F%2Fexample.com%2Fmain",
			},
		},
		{
			name: "an offline channel", path: "/main",
			want: map[string]string{"og:title": "main – Pharos", "og:type": "video.other", "og:image": ""},
		},
		{
			name: "the embedded page is the channel's", path: "/main/embed",
			want: map[string]string{"canonical": "http://example.com/main", "og:url": "http://example.com/main"},
		},
		{
			name: "the directory", path: "/",
			want: map[string]string{"og:title": "Pharos", "og:type": "website", "canonical": "http://example.com/", "og:video": ""},
		},
		{
			name: "behind a TLS edge", path: "/main", header: []string{"X-Forwarded-Proto", "HTTPS, http"},
			want: map[string]string{"canonical": "https://example.com/main", "og:video": "https://example.com/main/embed"},
		},
		{
			name: "a scheme that is none", path: "/main", header: []string{"X-Forwarded-Proto", "javascript"},
			want: map[string]string{"canonical": "http://example.com/main"},
		},
		{
			name: "the operator's base", path: "/main", public: "https://live.example.org/", header: []string{"X-Forwarded-Proto", "http"},
			want: map[string]string{"canonical": "https://live.example.org/main", "og:video": "https://live.example.org/main/embed"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rec := servePage(t, web.Options{PublicURL: tt.public}, tt.live, tt.path, tt.header...)
			if rec.Code != http.StatusOK {
				t.Fatalf("got status %d: %s", rec.Code, rec.Body)
			}
			tags := head(t, rec.Body.String())
			for tag, want := range tt.want {
				if got := tags[tag]; got != want {
					t.Errorf("got %s=%q, want %q", tag, got, want)
				}
			}
		})
	}
}

// TestPage_EscapesTheHost holds that what a client makes up stays text.
func TestPage_EscapesTheHost(t *testing.T) {
	t.Parallel()
	rec := servePage(t, web.Options{}, true, "/main", "Host", `x"><script>alert(1)</script>`)
	if strings.Contains(rec.Body.String(), "<script>alert") {
		t.Errorf("the Host became a script:\n%s", rec.Body)
	}
}

func TestPage_OnlyTheEmbeddedOneMayBeFramed(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{"/main": "frame-ancestors 'self'", "/": "frame-ancestors 'self'", "/main/embed": ""} {
		if got := servePage(t, web.Options{}, true, path).Header().Get("Content-Security-Policy"); got != want {
			t.Errorf("%s: got Content-Security-Policy %q, want %q", path, got, want)
		}
	}
}

// servePage asks a server of one channel, "main", for a page; header are pairs.
func servePage(t *testing.T, o web.Options, live bool, path string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	s := &station{t: t, live: map[string]registry.Live{}}
	if live {
		s.live["main"] = registry.Live{Channel: "main", Broadcast: broadcast, State: registry.StateLive}
	}
	o.Bundle = fstest.MapFS{"app.js": {Data: []byte("play()")}}
	srv, err := web.New(s, s, s, nil, nil, o)
	if err != nil {
		t.Fatal(err)
	}
	req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			req.Host = header[i+1]
			continue
		}
		req.Header.Set(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	srv.Handler().ServeHTTP(rec, req)
	return rec
}
