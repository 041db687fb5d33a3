package web

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
)

// What a page says depends on what other parts of the server know: here they know it.
func TestRender_SaysWhatIsKnown(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		public string
		data   pageData
		want   []string
		not    []string
	}{
		{
			name: "a recording", public: "https://live.example.org",
			data: pageData{
				Title: `<b> & "co"`, Kind: kindReplay, Channel: "main", Broadcast: broadcastID,
				Playlist: "/media/x/index.m3u8", Poster: "/replay/" + broadcastID + "/poster.jpg",
			},
			want: []string{
				`<body data-kind="replay" data-channel="main" data-broadcast="` + broadcastID + `" data-playlist="/media/x/index.m3u8">`,
				`<link rel="canonical" href="https://live.example.org/replay/` + broadcastID + `">`,
				`<meta property="og:image" content="https://live.example.org/replay/` + broadcastID + `/poster.jpg">`,
				`<meta property="og:type" content="video.other">`,
				`<meta property="og:title" content="&lt;b&gt; &amp; &#34;co&#34;">`,
			},
			not: []string{"og:video\"", "<b>"},
		},
		{
			name: "a channel with a picture, over HTTPS", public: "https://live.example.org",
			data: pageData{Title: "main", Kind: kindWatch, Channel: "main", Poster: "/live/main/poster.jpg"},
			want: []string{
				`<meta name="twitter:card" content="player">`,
				`<meta name="twitter:player" content="https://live.example.org/main/embed">`,
				`<meta name="twitter:image" content="https://live.example.org/live/main/poster.jpg">`,
			},
		},
		{
			name: "a picture elsewhere stays there",
			data: pageData{Title: "main", Kind: kindWatch, Channel: "main", Poster: "https://cdn.example.net/p.jpg"},
			want: []string{
				`<meta property="og:image" content="https://cdn.example.net/p.jpg">`,
				`<meta name="twitter:card" content="summary_large_image">`,
			},
			not: []string{"twitter:player"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p, err := newPage(fstest.MapFS{}, links{public: tt.public}, func(context.Context, string) channelStatus { return channelStatus{} })
			if err != nil {
				t.Fatal(err)
			}
			rec := httptest.NewRecorder()
			p.render(rec, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/main", nil), tt.data)
			for _, want := range tt.want {
				if !strings.Contains(rec.Body.String(), want) {
					t.Errorf("the page does not contain %s:\n%s", want, rec.Body)
				}
			}
			for _, not := range tt.not {
				if strings.Contains(rec.Body.String(), not) {
					t.Errorf("the page contains %s", not)
				}
			}
		})
	}
}

const broadcastID = "01JD0000000000000000000000"
