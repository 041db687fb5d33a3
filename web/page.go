package web

import (
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"mime"
	"net/http"
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

// A page is the watch page and its assets.
type page struct {
	tmpl   *template.Template
	bundle fs.FS
	built  bool
}

type pageData struct {
	Title     string
	Kind      string // "index", "watch", "embed" or "replay"
	Channel   string
	Broadcast string // of a replay
	Playlist  string
	Built     bool
}

func newPage(bundle fs.FS) (*page, error) {
	t, err := template.New("page").Parse(pageHTML)
	if err != nil {
		return nil, fmt.Errorf("parse the page: %w", err)
	}
	_, err = fs.Stat(bundle, "app.js")
	return &page{tmpl: t, bundle: bundle, built: err == nil}, nil
}

// route answers everything that nothing else does: the directory, a channel's
// page, and the page that others embed.
func (p *page) route(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/" {
		p.render(w, pageData{Title: "Pharos", Kind: "index"})
		return
	}
	name, rest, nested := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	kind := "watch"
	if nested {
		kind = rest
	}
	c, err := streamkey.ParseChannel(name)
	if err != nil || (nested && kind != "embed") {
		text(w, http.StatusNotFound, cacheError, "not found: channels are at /CHANNEL")
		return
	}
	p.render(w, pageData{
		Title: string(c) + " – Pharos", Kind: kind, Channel: string(c),
		Playlist: "/live/" + string(c) + "/index.m3u8",
	})
}

func (p *page) render(w http.ResponseWriter, d pageData) {
	d.Built = p.built
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-cache")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	if d.Kind != "embed" {
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
