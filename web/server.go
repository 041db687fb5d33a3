package web

import (
	"context"
	"io/fs"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/pharos-live/pharos/internal/objstore"
	"github.com/pharos-live/pharos/internal/registry"
)

// A Store is the bucket as viewers' requests need it.
type Store interface {
	// URL is where a browser may GET the object.
	URL(key string, now time.Time) (string, error)
	// Get reads the object: a segment's parts while it is not durable yet, a replay's playlists, and all media
	// of a proxy.
	Get(ctx context.Context, key string) ([]byte, error)
	// List calls fn for each object whose key begins with prefix: only for replays.
	List(ctx context.Context, prefix string, fn func(objstore.Object) bool) error
}

// Channels says what is live.
type Channels interface {
	// Live is the channel's current broadcast; registry.ErrNone where there is none.
	Live(ctx context.Context, channel string) (registry.Live, error)
	// Lives are all of them, sorted by channel.
	Lives(ctx context.Context) ([]registry.Live, error)
}

// Options are the tunables of a Server; the zero value works.
type Options struct {
	Media  http.Handler // serves /media/: the directory bucket; nil = 404
	Proxy  bool         // media passes through this server, instead of redirects to the bucket
	Bundle fs.FS        // the page's built files; nil = those embedded
	Logger *slog.Logger // nil = discard
	// PublicURL is the base of absolute links, without a slash at its end, such as
	// https://live.example.org; "" = what each request was sent to.
	PublicURL string
}

// Stats count what a Server did.
type Stats struct {
	Playlists    atomic.Int64 // answers with a playlist
	Bytes        atomic.Int64 // of playlists, after compression
	Redirects    atomic.Int64 // to the bucket
	Concatenated atomic.Int64 // segments that were put together from their parts
	Proxied      atomic.Int64 // answers with media, where it passes through
	Fetched      atomic.Int64 // objects read from the bucket for that
	Timeouts     atomic.Int64 // blocking requests answered 503
}

// A Server answers viewers. It is safe for concurrent use.
type Server struct {
	channels    *directory
	controllers *controllers
	replays     *replays
	store       Store
	page        *page
	media       http.Handler
	proxy       bool
	shared      *shared
	ready       func() error
	log         *slog.Logger

	Stats Stats
}

// New makes a Server; Run lets it follow feeds. ready says what keeps this
// server from taking work, for /readyz; nil means nothing ever does.
func New(c Channels, f Feeds, b Doorbell, s Store, ready func() error, o Options) (*Server, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if ready == nil {
		ready = func() error { return nil }
	}
	if o.Bundle == nil {
		o.Bundle = embedded()
	}
	srv := &Server{
		channels:    newDirectory(c),
		controllers: newControllers(f, b, o.Logger),
		replays:     newReplays(s),
		store:       s,
		media:       o.Media,
		proxy:       o.Proxy,
		shared:      newShared(sharedBytes(o.Proxy)),
		ready:       ready,
		log:         o.Logger,
	}
	var err error
	srv.page, err = newPage(o.Bundle, links{public: strings.TrimRight(o.PublicURL, "/")}, srv.preview)
	if err != nil {
		return nil, err
	}
	return srv, nil
}

// Run follows the feeds of what is watched. It blocks until ctx ends and every
// goroutine that it started has.
func (s *Server) Run(ctx context.Context) error {
	s.controllers.run(ctx)
	return nil
}

// Handler routes all public URLs.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", s.healthz)
	mux.HandleFunc("GET /readyz", s.readyz)
	mux.HandleFunc("GET /live/{channel}/index.m3u8", s.liveMultivariant)
	mux.HandleFunc("GET /hls/{broadcast}/index.m3u8", s.multivariant)
	mux.HandleFunc("GET /hls/{broadcast}/{rendition}/{file}", s.hlsFile)
	mux.HandleFunc("GET /live/{channel}/poster.jpg", s.livePoster)
	mux.HandleFunc("GET /hls/{broadcast}/poster.jpg", s.poster)
	mux.HandleFunc("GET /hls/{broadcast}/storyboard.vtt", s.storyboard)
	mux.HandleFunc("GET /hls/{broadcast}/sheets/{file}", s.sheet)
	mux.HandleFunc("GET /api/v1/channels", s.listChannels)
	mux.HandleFunc("GET /api/v1/channels/{channel}", s.channelStatus)
	mux.HandleFunc("GET /api/v1/replays", s.listReplays)
	mux.HandleFunc("GET /replay/{broadcast}", s.replayPage)
	mux.HandleFunc("GET /replay/{broadcast}/{path...}", s.replayPath)
	if s.media != nil {
		mux.Handle("GET /media/", s.media)
	}
	mux.HandleFunc("GET /api/v1/oembed", s.oembed)
	mux.HandleFunc("GET /assets/{file}", s.page.asset)
	mux.HandleFunc("GET /favicon.ico", s.page.favicon)
	mux.HandleFunc("GET /", s.page.route)
	return cors(mux)
}

// cors opens playlists, media and status to players on other origins, errors
// included: without it a player sees a network fault where there is an answer.
func cors(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Access-Control-Allow-Origin", "*")
		h.Set("Access-Control-Expose-Headers", "Age, Date, ETag, Content-Range")
		if r.Method == http.MethodOptions {
			h.Set("Access-Control-Allow-Methods", "GET, HEAD, OPTIONS")
			h.Set("Access-Control-Allow-Headers", "Range, If-None-Match")
			h.Set("Access-Control-Max-Age", "86400")
			w.WriteHeader(http.StatusNoContent)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (s *Server) healthz(w http.ResponseWriter, _ *http.Request) {
	text(w, http.StatusOK, "no-store", "ok")
}

func (s *Server) readyz(w http.ResponseWriter, _ *http.Request) {
	if err := s.ready(); err != nil {
		text(w, http.StatusServiceUnavailable, "no-store", err.Error())
		return
	}
	text(w, http.StatusOK, "no-store", "ready")
}

// text answers in plain words.
func text(w http.ResponseWriter, status int, cache, message string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", cache)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(message + "\n"))
}

// acceptsGzip says whether the client takes gzip (RFC 9110, 12.5.3); a q of
// zero means that it does not.
func acceptsGzip(r *http.Request) bool {
	for _, v := range strings.Split(r.Header.Get("Accept-Encoding"), ",") {
		name, params, _ := strings.Cut(strings.TrimSpace(v), ";")
		if strings.EqualFold(strings.TrimSpace(name), "gzip") {
			q, ok := strings.CutPrefix(strings.ReplaceAll(params, " ", ""), "q=")
			if !ok {
				return true
			}
			weight, err := strconv.ParseFloat(q, 64)
			return err == nil && weight > 0
		}
	}
	return false
}
