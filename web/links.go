package web

import (
	"net/http"
	"net/url"
	"strings"
)

// Absolute links are for those who meet the page without a browser that shows
// it: chat programs, search engines, and sites that embed the player.

// links makes them. Its base is the operator's, or what the viewer asked for.
type links struct {
	public string // PHAROS_PUBLIC_URL without a slash at its end; "" = none
}

// base is the scheme and authority of r's answer, as in "https://live.example.org".
//
// Behind a TLS edge the scheme is the edge's, in X-Forwarded-Proto, whose first
// value is the one nearest to the viewer. A client can make up both this header and
// Host: the answer that they appear in is its own, and is not to be stored
// (Cache-Control: no-cache).
func (l links) base(r *http.Request) string {
	if l.public != "" {
		return l.public
	}
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	forwarded, _, _ := strings.Cut(r.Header.Get("X-Forwarded-Proto"), ",")
	switch p := strings.ToLower(strings.TrimSpace(forwarded)); p {
	case "http", "https":
		scheme = p
	}
	return (&url.URL{Scheme: scheme, Host: r.Host}).String()
}

// absolute puts ref, a path or a URL, upon base; "" stays "".
func absolute(base, ref string) string {
	if ref == "" || strings.HasPrefix(ref, "http://") || strings.HasPrefix(ref, "https://") {
		return ref
	}
	return base + ref
}
