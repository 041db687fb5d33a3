package web

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/pharos-live/pharos/internal/hls"
	"github.com/pharos-live/pharos/internal/objstore"
)

// What is kept in memory of media that passes through this server.
const (
	// proxyBytes is for all media: about two minutes of fifty viewed renditions of 300 kB/s, of which the
	// last seconds are what nearly everybody asks for.
	proxyBytes = 256 << 20
	// concatBytes is for segments that were put together from their parts.
	concatBytes = 64 << 20
	// fetchTime bounds the reading of an object, retries included.
	fetchTime = 15 * time.Second
)

// sharedBytes is how much media this server keeps in memory.
func sharedBytes(proxy bool) int {
	if proxy {
		return proxyBytes
	}
	return concatBytes
}

// send answers with the object under key, as the server is set: by a redirect to the bucket, or from memory.
// An err, or no key, is answered instead. It is for objects that never change: media and pictures.
func (s *Server) send(w http.ResponseWriter, r *http.Request, key string, err error) {
	s.sendFor(w, r, key, cacheRedirect, err)
}

// sendFor is send for what is about to be replaced: cache says how long the answer is good for.
func (s *Server) sendFor(w http.ResponseWriter, r *http.Request, key, cache string, err error) {
	switch {
	case err != nil:
		s.fail(w, r, err)
	case key == "":
		s.fail(w, r, hls.ErrNotFound)
	case s.proxy:
		if cache == cacheRedirect {
			cache = objstore.CacheControl(key) // the object itself is good for longer than a signed way to it
		}
		s.pass(w, r, key, cache)
	default:
		s.redirect(w, r, key, cache)
	}
}

// pass serves an object from memory. It is read once for all who ask, as a whole: players measure how quickly
// media comes, and a part that arrived bit by bit would look like a slow network.
func (s *Server) pass(w http.ResponseWriter, r *http.Request, key, cache string) {
	body, err := s.shared.get(r.Context(), key, func(ctx context.Context) ([]byte, error) {
		s.Stats.Fetched.Add(1)
		return s.store.Get(ctx, key)
	})
	if err != nil {
		s.fail(w, r, fmt.Errorf("pass media on: %w", err))
		return
	}
	s.Stats.Proxied.Add(1)
	serveMedia(w, r, key, cache, body)
}

// concatenate serves a segment from its parts: in redirect mode the one case in which media passes through
// this server. All who ask share one reading.
func (s *Server) concatenate(w http.ResponseWriter, r *http.Request, parts []string) {
	body, err := s.shared.get(r.Context(), "segment of "+parts[0], func(ctx context.Context) ([]byte, error) {
		return s.join(ctx, parts)
	})
	if err != nil {
		s.fail(w, r, fmt.Errorf("read parts for a segment: %w", err))
		return
	}
	s.Stats.Concatenated.Add(1)
	s.log.Warn("a segment passed through: its object is not durable yet", "path", r.URL.Path, "bytes", len(body))
	serveMedia(w, r, parts[0], cacheRedirect, body)
}

var errLong = errors.New("the parts of a segment are larger than a segment may be")

// join reads the parts of a segment, one after another.
func (s *Server) join(ctx context.Context, parts []string) ([]byte, error) {
	var all []byte
	for _, key := range parts {
		part, err := s.store.Get(ctx, key)
		if err != nil {
			return nil, err
		}
		if all = append(all, part...); len(all) > objstore.MaxGet {
			return nil, errLong
		}
	}
	return all, nil
}

// serveMedia answers with body, or with the range of it that was asked for (RFC 9110, 14.2).
func serveMedia(w http.ResponseWriter, r *http.Request, key, cache string, body []byte) {
	w.Header().Set("Content-Type", objstore.ContentType(key))
	w.Header().Set("Cache-Control", cache)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body)) // no name: the type is set
}
