package web

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/pharos-live/pharos/internal/hls"
)

// cachePicture is for what leads to a picture that is about to be replaced. The
// object behind it goes a minute after that, and no redirect to it may be left.
const cachePicture = "public, max-age=5"

// livePoster answers the stable URL of a channel's newest poster. The runner's
// lease says which one it is: a page of many channels has no feed read.
func (s *Server) livePoster(w http.ResponseWriter, r *http.Request) {
	live, err := s.channels.live(r.Context(), r.PathValue("channel"))
	if err == nil && live.Poster == 0 {
		err = hls.ErrNotFound
	}
	s.sendFor(w, r, hls.PosterKey(live.Broadcast, live.Poster, live.Term), cachePicture, err)
}

// poster answers for a broadcast, also for one that has ended.
func (s *Server) poster(w http.ResponseWriter, r *http.Request) {
	s.withModel(w, r, func(model *hls.Broadcast) {
		key, err := model.Poster()
		s.sendFor(w, r, key, cachePicture, err)
	})
}

// sheet answers for {number}-{revision}.jpg with the newest revision known: it has
// all the pictures that the one asked for has, which may be gone, or not be here
// yet. A full sheet stays for good.
func (s *Server) sheet(w http.ResponseWriter, r *http.Request) {
	name, ok := strings.CutSuffix(r.PathValue("file"), ".jpg")
	first, revision, dash := strings.Cut(name, "-")
	number, err := strconv.ParseUint(first, 10, 64)
	_, revisionErr := strconv.ParseUint(revision, 10, 64)
	if !ok || !dash || err != nil || revisionErr != nil {
		s.fail(w, r, hls.ErrNotFound)
		return
	}
	s.withModel(w, r, func(model *hls.Broadcast) {
		key, full, err := model.Sheet(number)
		cache := cachePicture
		if full {
			cache = cacheRedirect
		}
		s.sendFor(w, r, key, cache, err)
	})
}

// storyboard lists the small pictures of the window, for scrubbing.
func (s *Server) storyboard(w http.ResponseWriter, r *http.Request) {
	s.withModel(w, r, func(model *hls.Broadcast) {
		list, err := model.Storyboard()
		if err != nil {
			s.fail(w, r, err)
			return
		}
		writeShared(w, r, list, hls.StoryboardType, cachePicture)
	})
}

// withModel answers by what is known of the broadcast in the path.
func (s *Server) withModel(w http.ResponseWriter, r *http.Request, answer func(*hls.Broadcast)) {
	model, leave, err := s.controllers.watch(r.Context(), r.PathValue("broadcast"))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	defer leave()
	answer(model)
}
