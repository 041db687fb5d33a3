package web_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/pharos-live/pharos/web"
)

func TestOEmbed_AnswersForChannels(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, query   string
		status        int
		width, height int
	}{
		{"a channel", "url=http://example.com/main", 200, 1280, 720},
		{"its embedded page", "url=http://example.com/main/embed&format=json", 200, 1280, 720},
		{"with a question of its own", "url=http%3A%2F%2Fexample.com%2Fmain%3Ft%3D3", 200, 1280, 720},
		{"within a width", "url=http://example.com/main&maxwidth=640", 200, 640, 360},
		{"within a height", "url=http://example.com/main&maxwidth=640&maxheight=90", 200, 160, 90},
		{"within nonsense", "url=http://example.com/main&maxwidth=-3&maxheight=x", 200, 1280, 720},
		{"elsewhere", "url=http://example.net/main", 404, 0, 0},
		{"another scheme", "url=https://example.com/main", 404, 0, 0},
		{"no channel", "url=http://example.com/metrics", 404, 0, 0},
		{"the directory", "url=http://example.com/", 404, 0, 0},
		{"nothing", "", 404, 0, 0},
		{"XML", "url=http://example.com/main&format=xml", 501, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rec := servePage(t, web.Options{}, false, "/api/v1/oembed?"+tt.query)
			if rec.Code != tt.status {
				t.Fatalf("got status %d, want %d: %s", rec.Code, tt.status, rec.Body)
			}
			if rec.Code != http.StatusOK {
				return
			}
			var got struct {
				Version, Type, HTML string
				Width, Height       int
			}
			if err := json.Unmarshal(rec.Body.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
			if got.Version != "1.0" || got.Type != "video" || got.Width != tt.width || got.Height != tt.height ||
				!strings.Contains(got.HTML, `src="http://example.com/main/embed"`) {
				t.Errorf("got %+v, want a video of %d × %d", got, tt.width, tt.height)
			}
		})
	}
}
