package web

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/pharos-live/pharos/internal/hls"
	"github.com/pharos-live/pharos/internal/objstore"
	"github.com/pharos-live/pharos/internal/replay"
)

// cacheReplay is for what a replay consists of: it never changes, but goes when its
// time is over.
const cacheReplay = "public, max-age=600"

// replayFile is what may lie below a broadcast's folder and be asked for, as the keys of
// the bucket are made: segments and init sections of a rendition, and pictures. It has no
// element that begins with a dot, so nothing of it leads out of the folder.
var replayFile = regexp.MustCompile(`^(?:[a-z0-9][a-z0-9-]{0,62}/(?:s[0-9]{1,20}\.[0-9]{1,20}\.m4s|init-[0-9a-f]{1,64}\.mp4)|(?:poster|sheets)/[0-9][0-9.-]{0,80}\.jpg)$`)

// replayMedia is the playlist of a rendition.
var replayMedia = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}/index\.m3u8$`)

// replayPage answers with the page on which a replay is watched.
func (s *Server) replayPage(w http.ResponseWriter, r *http.Request) {
	index, err := s.replays.find(r.Context(), r.PathValue("broadcast"))
	if err != nil {
		s.failReplay(w, r, err)
		return
	}
	d := pageData{
		Title:       index.Channel + ", " + index.Started.Format("2 January 2006") + " – Pharos",
		Description: "Watch what " + index.Channel + " broadcast on " + index.Started.Format("2 January 2006") + ".",
		Kind:        kindReplay,
		Channel:     index.Channel, Broadcast: index.Broadcast, Playlist: replayURL(index.Broadcast, "index.m3u8"),
	}
	if index.Poster != "" {
		d.Poster = replayURL(index.Broadcast, "poster.jpg")
	}
	s.page.render(w, r, d)
}

func replayURL(broadcast, path string) string { return "/replay/" + broadcast + "/" + path }

// replayPath answers what is below a replay: its playlists from here, so that they have
// their types, compression and cache headers whatever the bucket says; all else is the
// bucket's.
func (s *Server) replayPath(w http.ResponseWriter, r *http.Request) {
	broadcast, path := r.PathValue("broadcast"), r.PathValue("path")
	if !isBroadcast(broadcast) {
		s.fail(w, r, hls.ErrNotFound)
		return
	}
	switch {
	case path == "index.m3u8" || replayMedia.MatchString(path):
		s.replayPlaylist(w, r, broadcast+"/"+path)
	case path == "storyboard.vtt":
		s.replayStoryboard(w, r, broadcast)
	case path == "poster.jpg":
		s.replayPoster(w, r, broadcast)
	case replayFile.MatchString(path):
		s.send(w, r, broadcast+"/"+path, nil)
	default:
		s.fail(w, r, hls.ErrNotFound)
	}
}

func (s *Server) replayPlaylist(w http.ResponseWriter, r *http.Request, key string) {
	p, err := s.replays.text(r.Context(), key)
	if err != nil {
		s.failReplay(w, r, err)
		return
	}
	s.playlist(w, r, p, cacheReplay)
}

// replayStoryboard is like a playlist but for its type.
func (s *Server) replayStoryboard(w http.ResponseWriter, r *http.Request, broadcast string) {
	p, err := s.replays.text(r.Context(), replay.StoryboardKey(broadcast))
	if err != nil {
		s.failReplay(w, r, err)
		return
	}
	writeShared(w, r, p, hls.StoryboardType, cacheReplay)
}

// replayPoster leads to the poster that the broadcast had last.
func (s *Server) replayPoster(w http.ResponseWriter, r *http.Request, broadcast string) {
	index, err := s.replays.find(r.Context(), broadcast)
	if err != nil {
		s.failReplay(w, r, err)
		return
	}
	if !strings.HasPrefix(index.Poster, broadcast+"/") { // "", or not its own
		s.fail(w, r, hls.ErrNotFound)
		return
	}
	s.sendFor(w, r, index.Poster, cacheReplay, nil)
}

// failReplay is fail, where what is not in the bucket is not found.
func (s *Server) failReplay(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, objstore.ErrNotFound) {
		err = hls.ErrNotFound
	}
	s.fail(w, r, err)
}

// isBroadcast says whether id can be a broadcast's: a made-up one costs nothing.
func isBroadcast(id string) bool {
	_, err := ulid.ParseStrict(id)
	return err == nil
}

// A replayStatus is a replay as the page lists it.
type replayStatus struct {
	Broadcast  string    `json:"broadcast"`
	Channel    string    `json:"channel"`
	Started    time.Time `json:"started"`
	Duration   float64   `json:"duration"` // seconds
	Playlist   string    `json:"playlist"`
	Poster     string    `json:"poster,omitempty"`
	Storyboard string    `json:"storyboard,omitempty"`
}

// listReplays is public, as the replays are: the newest first, of one channel where the
// query names it.
func (s *Server) listReplays(w http.ResponseWriter, r *http.Request) {
	all, err := s.replays.list(r.Context(), r.URL.Query().Get("channel"))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	out := struct {
		Replays []replayStatus `json:"replays"`
	}{Replays: []replayStatus{}}
	for _, i := range all {
		st := replayStatus{
			Broadcast: i.Broadcast, Channel: i.Channel, Started: i.Started, Duration: i.Duration,
			Playlist: replayURL(i.Broadcast, "index.m3u8"),
		}
		if i.Poster != "" {
			st.Poster = replayURL(i.Broadcast, "poster.jpg")
		}
		if i.Storyboard != "" {
			st.Storyboard = replayURL(i.Broadcast, "storyboard.vtt")
		}
		out.Replays = append(out.Replays, st)
	}
	s.json(w, r, out)
}

// lastOf is the channel's newest replay: what its live URL shows on, as long as its
// feed is kept.
func (s *Server) lastOf(ctx context.Context, channel string) (string, bool) {
	all, err := s.replays.list(ctx, channel)
	if err != nil || len(all) == 0 {
		return "", false
	}
	return all[0].Broadcast, true
}
