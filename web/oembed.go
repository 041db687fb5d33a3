package web

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/pharos-live/pharos/internal/streamkey"
)

// The size of an embedded player whose site says nothing of it, in pixels.
const (
	embedWidth  = 1280
	embedHeight = 720
)

// An oEmbed tells a site how to show a link to a channel (oembed.com, 2.3.4.2).
type oEmbed struct {
	Version      string `json:"version"`
	Type         string `json:"type"`
	Title        string `json:"title"`
	ProviderName string `json:"provider_name"`
	ProviderURL  string `json:"provider_url"`
	HTML         string `json:"html"`
	Width        int    `json:"width"`
	Height       int    `json:"height"`
}

// oembed answers for the address of one of our channels; 404 for any other, and
// 501 for any format but JSON (2.3.5).
func (s *Server) oembed(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if f := q.Get("format"); f != "" && f != "json" {
		text(w, http.StatusNotImplemented, cacheError, "only json is spoken here")
		return
	}
	base := s.page.links.base(r)
	channel, ok := channelAt(base, q.Get("url"))
	if !ok {
		text(w, http.StatusNotFound, cacheError, "not found: want the url of a channel")
		return
	}
	width, height := fit(q.Get("maxwidth"), q.Get("maxheight"))
	s.json(w, r, oEmbed{
		Version: "1.0", Type: "video", Title: channel + " – Pharos", ProviderName: "Pharos", ProviderURL: base,
		HTML: fmt.Sprintf(
			`<iframe src="%s/%s/embed" width="%d" height="%d" style="border:0" allow="autoplay; fullscreen; picture-in-picture" allowfullscreen title="%s"></iframe>`,
			html.EscapeString(base), channel, width, height, channel),
		Width: width, Height: height,
	})
}

// channelAt is the channel whose page, embedded or not, is at address.
func channelAt(base, address string) (string, bool) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme+"://"+u.Host != base {
		return "", false
	}
	c, err := streamkey.ParseChannel(strings.TrimSuffix(strings.TrimPrefix(u.Path, "/"), "/embed"))
	return string(c), err == nil
}

// fit is the largest size of our shape within bounds; what is no number of pixels
// bounds nothing.
func fit(maxWidth, maxHeight string) (width, height int) {
	width = embedWidth
	if n, err := strconv.Atoi(maxWidth); err == nil && n > 0 {
		width = min(width, n)
	}
	if n, err := strconv.Atoi(maxHeight); err == nil && n > 0 {
		width = min(width, n*embedWidth/embedHeight)
	}
	return width, width * embedHeight / embedWidth
}
