package web

import (
	"context"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"mime"
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/pharos-live/pharos/internal/streamkey"
)

//go:embed dist
var dist embed.FS

//go:embed page.html
var pageHTML string

// embedded is the page's bundle as it was built into this binary; without
// `make build` it is empty, and the page falls back to a plain video element.
func embedded() fs.FS {
	sub, err := fs.Sub(dist, "dist")
	if err != nil {
		panic(err) // the folder is named three lines above
	}
	return sub
}

// A page is what people see, and its assets.
type page struct {
	tmpl   *template.Template
	bundle fs.FS
	built  bool
	links  links
	status func(ctx context.Context, channel string) channelStatus
}

// The kinds of page, as the bundle knows them (body's data-kind).
const (
	kindIndex  = "index"
	kindWatch  = "watch"
	kindEmbed  = "embed"
	kindReplay = "replay"
)

// pageData is what a page says of itself in HTML, for the bundle and for those who
// only read its head. Poster may be a path; the rest of what is absolute, render
// fills in.
type pageData struct {
	Title, Description string
	Kind               string
	Channel            string
	Broadcast          string // of a replay
	Playlist           string
	Poster             string

	URL    string // canonical
	Type   string // og:type
	Player string // the page to embed; "" = there is none
	Card   string // twitter:card
	OEmbed string // where a site asks how to embed the player; "" = nowhere
	Built  bool
}

// newPage makes the pages. status says what is known of a channel, for previews
// alone: the page itself asks for the status.
func newPage(bundle fs.FS, l links, status func(ctx context.Context, channel string) channelStatus) (*page, error) {
	t, err := template.New("page").Parse(pageHTML)
	if err != nil {
		return nil, fmt.Errorf("parse the page: %w", err)
	}
	_, err = fs.Stat(bundle, "app.js")
	return &page{tmpl: t, bundle: bundle, built: err == nil, links: l, status: status}, nil
}

// route answers everything that nothing else does: the directory, a channel's
// page, and the page that others embed.
func (p *page) route(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/" {
		p.render(w, r, pageData{Title: "Pharos", Description: "Who is live, and what was recorded.", Kind: kindIndex})
		return
	}
	name, rest, nested := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	kind := kindWatch
	if nested {
		kind = rest
	}
	c, err := streamkey.ParseChannel(name)
	if err != nil || (nested && kind != kindEmbed) {
		text(w, http.StatusNotFound, cacheError, "not found: channels are at /CHANNEL")
		return
	}
	p.render(w, r, p.channel(r.Context(), string(c), kind))
}

func (p *page) channel(ctx context.Context, name, kind string) pageData {
	st := p.status(ctx, name)
	d := pageData{
		Title: name + " – Pharos", Description: name + " is offline. Watch past broadcasts, or wait: the page starts by itself.",
		Kind: kind, Channel: name, Playlist: "/live/" + name + "/index.m3u8", Poster: st.Poster,
	}
	if st.State != stateOffline {
		d.Title = name + " is live – Pharos"
		d.Description = "Watch " + name + " live."
	}
	return d
}

// render fills in what is absolute, and writes the page.
func (p *page) render(w http.ResponseWriter, r *http.Request, d pageData) {
	base := p.links.base(r)
	d.Built = p.built
	d.Poster = absolute(base, d.Poster)
	d.Type, d.Card = "video.other", "summary_large_image"
	switch d.Kind {
	case kindIndex:
		d.Type, d.URL = "website", base+"/"
	case kindReplay:
		d.URL = base + "/replay/" + d.Broadcast
	default:
		d.URL = base + "/" + d.Channel
		d.Player = d.URL + "/embed"
		d.OEmbed = base + "/api/v1/oembed?url=" + url.QueryEscape(d.URL)
		// A player card needs HTTPS, and a picture to stand for it.
		if d.Poster != "" && strings.HasPrefix(base, "https://") {
			d.Card = "player"
		}
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-cache")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	if d.Kind != kindEmbed {
		h.Set("Content-Security-Policy", "frame-ancestors 'self'")
	}
	_ = p.tmpl.Execute(w, d) // the client has left: nothing to do about it
}

// asset serves a file of the bundle.
func (p *page) asset(w http.ResponseWriter, r *http.Request) {
	p.file(w, r.PathValue("file"))
}

func (p *page) favicon(w http.ResponseWriter, _ *http.Request) { p.file(w, "favicon.svg") }

func (p *page) file(w http.ResponseWriter, name string) {
	if name == "README" || strings.ContainsRune(name, '/') {
		text(w, http.StatusNotFound, cacheError, "not found")
		return
	}
	body, err := fs.ReadFile(p.bundle, name)
	if err != nil {
		text(w, http.StatusNotFound, cacheError, "not found")
		return
	}
	w.Header().Set("Content-Type", mime.TypeByExtension(path.Ext(name)))
	w.Header().Set("Cache-Control", "public, max-age=300")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(body)
}
