package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/pharos-live/pharos/internal/hls"
	"github.com/pharos-live/pharos/internal/objstore"
	"github.com/pharos-live/pharos/internal/registry"
)

// Waiting times of blocking requests.
const (
	// segmentWait is how long a segment that was asked for before its object is
	// durable waits for it.
	segmentWait = time.Second
	// blockTargets is how many target durations a blocking playlist request
	// waits (rfc8216bis 6.2.5.2: "no later than three Target Durations").
	blockTargets = 3
	// firstWait bounds the wait for a broadcast's first playlist.
	firstWait = 10 * time.Second
)

// Lifetimes of answers, as the draft (rfc8216bis, appendix B.1) and Apple's
// authoring rules want them: a state that was blocked for never gets worse, a plain playlist is
// soon old, an error must not outlive its cause.
const (
	cacheError = "public, max-age=1"
	// A redirect to a presigned URL must not outlive its signature, which is
	// good for at least five hours.
	cacheRedirect = "public, max-age=3600"
	cacheMaster   = "public, max-age=2"
)

var errTimeout = errors.New("the playlist did not get there in time")

// liveMultivariant answers the stable URL of a channel.
func (s *Server) liveMultivariant(w http.ResponseWriter, r *http.Request) {
	channel := r.PathValue("channel")
	live, err := s.channels.live(r.Context(), channel)
	if errors.Is(err, registry.ErrNone) {
		// What is over stays at its URL as long as its feed is kept.
		if last, ok := s.lastOf(r.Context(), channel); ok {
			live.Broadcast, err = last, nil
		}
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.serveMultivariant(w, r, live.Broadcast)
}

func (s *Server) multivariant(w http.ResponseWriter, r *http.Request) {
	s.serveMultivariant(w, r, r.PathValue("broadcast"))
}

func (s *Server) serveMultivariant(w http.ResponseWriter, r *http.Request, broadcast string) {
	ctx, cancel := context.WithTimeoutCause(r.Context(), firstWait, errTimeout)
	defer cancel()
	model, leave, err := s.controllers.watch(ctx, broadcast)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	defer leave()
	p, err := model.Multivariant(ctx)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.playlist(w, r, p, cacheMaster)
}

// hlsFile routes what lies below a rendition.
func (s *Server) hlsFile(w http.ResponseWriter, r *http.Request) {
	file := r.PathValue("file")
	if file != "index.m3u8" && !strings.HasSuffix(file, ".m4s") && !strings.HasSuffix(file, ".mp4") {
		s.fail(w, r, hls.ErrNotFound)
		return
	}
	model, leave, err := s.controllers.watch(r.Context(), r.PathValue("broadcast"))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	defer leave()
	rendition := r.PathValue("rendition")
	switch {
	case file == "index.m3u8":
		s.mediaPlaylist(w, r, model, rendition)
	case strings.HasPrefix(file, "init-"):
		key, err := model.Init(rendition, strings.TrimSuffix(strings.TrimPrefix(file, "init-"), ".mp4"))
		s.send(w, r, key, err)
	default:
		s.media4s(w, r, model, rendition, file)
	}
}

func (s *Server) mediaPlaylist(w http.ResponseWriter, r *http.Request, model *hls.Broadcast, rendition string) {
	d, err := hls.ParseDirectives(r.URL.Query())
	if err != nil {
		s.fail(w, r, err)
		return
	}
	td := model.TargetDuration()
	ctx, cancel := context.WithTimeoutCause(r.Context(), blockTargets*td, errTimeout)
	defer cancel()
	p, err := model.Media(ctx, rendition, d)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	cache := maxAge(td / 2)
	switch {
	case p.Ended:
		cache = maxAge(6 * td)
	case d.HasMSN:
		cache = maxAge(6 * td)
	}
	s.playlist(w, r, p, cache)
}

// media4s answers parts, which wait while they are hinted, and segments.
func (s *Server) media4s(w http.ResponseWriter, r *http.Request, model *hls.Broadcast, rendition, file string) {
	number, err := strconv.ParseUint(strings.TrimSuffix(file[1:], ".m4s"), 10, 64)
	if err != nil || (file[0] != 'p' && file[0] != 's') {
		s.fail(w, r, hls.ErrNotFound)
		return
	}
	if file[0] == 's' {
		s.segment(w, r, model, rendition, number)
		return
	}
	ctx, cancel := context.WithTimeoutCause(r.Context(), blockTargets*model.TargetDuration(), errTimeout)
	defer cancel()
	key, err := model.Part(ctx, rendition, number)
	s.send(w, r, key, err)
}

func (s *Server) segment(w http.ResponseWriter, r *http.Request, model *hls.Broadcast, rendition string, msn uint64) {
	ctx, cancel := context.WithTimeoutCause(r.Context(), segmentWait, errTimeout)
	defer cancel()
	key, parts, err := model.Segment(ctx, rendition, msn)
	if err != nil || len(parts) == 0 {
		s.send(w, r, key, err)
		return
	}
	s.concatenate(w, r, parts)
}

// redirect sends the client to the bucket; cache says for how long.
func (s *Server) redirect(w http.ResponseWriter, r *http.Request, key, cache string) {
	url, err := s.store.URL(key, time.Now())
	if err != nil {
		s.fail(w, r, fmt.Errorf("sign %s: %w", key, err))
		return
	}
	s.Stats.Redirects.Add(1)
	w.Header().Set("Location", url)
	w.Header().Set("Cache-Control", cache)
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(http.StatusFound)
}

// playlist writes a rendered playlist.
func (s *Server) playlist(w http.ResponseWriter, r *http.Request, p *hls.Playlist, cache string) {
	n := writeShared(w, r, p, hls.ContentType, cache)
	s.Stats.Playlists.Add(1)
	s.Stats.Bytes.Add(int64(n))
}

// writeShared writes what was rendered once: all who ask for one state share its bytes, compressed or not. It
// returns how many there were.
func writeShared(w http.ResponseWriter, r *http.Request, p *hls.Playlist, contentType, cache string) int {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Cache-Control", cache)
	h.Set("Vary", "Accept-Encoding")
	h.Set("X-Content-Type-Options", "nosniff")
	body := p.Text()
	if acceptsGzip(r) {
		body = p.Gzip()
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	n, _ := w.Write(body) // the client has left: nothing to do about it
	return n
}

func maxAge(d time.Duration) string {
	return "public, max-age=" + strconv.Itoa(max(1, int(d/time.Second)))
}

// fail translates every error of this package into a status; it is the only
// place that does. The inner text is logged, the outer is short.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	var bad *hls.BadRequestError
	switch {
	case errors.As(err, &bad):
		text(w, http.StatusBadRequest, cacheError, bad.Error())
	case errors.Is(err, hls.ErrNotFound), errors.Is(err, registry.ErrNone), errors.Is(err, objstore.ErrNotFound):
		text(w, http.StatusNotFound, cacheError, "not found: nothing of that name is live or kept")
	case errors.Is(err, errTimeout):
		s.Stats.Timeouts.Add(1)
		text(w, http.StatusServiceUnavailable, cacheError, errTimeout.Error())
	case r.Context().Err() != nil:
		// The client has left, or the server stops and it will ask another one.
		w.Header().Set("Retry-After", "1")
		text(w, http.StatusServiceUnavailable, cacheError, "the server is stopping: ask again")
	default:
		s.log.ErrorContext(r.Context(), "request failed", "path", r.URL.Path, "error", err)
		text(w, http.StatusServiceUnavailable, cacheError, "cannot answer now: ask again")
	}
}
