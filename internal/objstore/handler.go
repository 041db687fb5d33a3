package objstore

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"
)

// cacheMiss is how long a 404 may be kept. A part is asked for as soon as a playlist names it, and
// proxies that keep a miss for minutes by default would turn one early request into an outage.
const cacheMiss = "max-age=1"

// content is an object open for reading.
type content struct {
	io.ReadSeeker
	modified time.Time
	close    func() error
}

// opener opens an object: ErrNotFound where there is none, ErrBadKey where there can be none.
type opener func(ctx context.Context, key string) (content, error)

// mediaHandler serves objects under MediaPath to any origin: GET and HEAD, whole or by ranges. It
// lists nothing. Keys that begin with "_" are the server's own documents, not media: 404.
func mediaHandler(open opener) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		allowEveryOrigin(w.Header())
		switch r.Method {
		case http.MethodGet, http.MethodHead:
			serveObject(w, r, open)
		case http.MethodOptions:
			w.Header().Set("Access-Control-Allow-Methods", "GET, HEAD")
			w.Header().Set("Access-Control-Allow-Headers", "Range")
			w.Header().Set("Access-Control-Max-Age", "86400")
			w.WriteHeader(http.StatusNoContent)
		default:
			w.Header().Set("Allow", "GET, HEAD, OPTIONS")
			http.Error(w, "media can only be read", http.StatusMethodNotAllowed)
		}
	})
}

// allowEveryOrigin lets pages of other hosts play what is here; hls.js reads Age and Date.
func allowEveryOrigin(h http.Header) {
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Expose-Headers", "Age, Date, Content-Range")
	h.Set("X-Content-Type-Options", "nosniff")
}

func serveObject(w http.ResponseWriter, r *http.Request, open opener) {
	key, ok := strings.CutPrefix(r.URL.Path, MediaPath)
	if !ok || strings.HasPrefix(key, "_") {
		notFound(w)
		return
	}
	c, err := open(r.Context(), key)
	switch {
	case errors.Is(err, ErrNotFound) || errors.Is(err, ErrBadKey):
		notFound(w)
		return
	case err != nil:
		w.Header().Set("Cache-Control", "no-store")
		http.Error(w, "the media store cannot be read", http.StatusServiceUnavailable)
		return
	}
	defer func() { _ = c.close() }()
	w.Header().Set("Content-Type", ContentType(key))
	w.Header().Set("Cache-Control", CacheControl(key))
	http.ServeContent(w, r, "", c.modified, c) // the name is only for guessing the type
}

func notFound(w http.ResponseWriter) {
	w.Header().Set("Cache-Control", cacheMiss)
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(http.StatusNotFound)
	_, _ = io.WriteString(w, "no such object\n")
}

// mediaURL is URL of the stores that this process serves itself.
func mediaURL(key string) (string, error) {
	if err := ValidKey(key); err != nil {
		return "", err
	}
	return MediaPath + escapeKey(key), nil
}
