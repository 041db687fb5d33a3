package web

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/pharos-live/pharos/internal/registry"
	"github.com/pharos-live/pharos/internal/streamkey"
)

// statusTTL is how old an answer about a channel may be: every viewer's page
// asks every two seconds, Redis is asked once.
const statusTTL = 500 * time.Millisecond

// askTimeout bounds one question to the registry.
const askTimeout = 3 * time.Second

// maxRemembered bounds the channels whose answers are kept: names come from
// whoever asks.
const maxRemembered = 10_000

// A directory knows which channels are live, and asks the registry at most
// once in statusTTL about each.
type directory struct {
	channels Channels
	group    singleflight.Group

	mu   sync.Mutex // protects byID and all
	byID map[string]remembered
	all  rememberedAll
}

type remembered struct {
	live registry.Live
	err  error
	at   time.Time
}

type rememberedAll struct {
	lives []registry.Live
	at    time.Time
}

func newDirectory(c Channels) *directory {
	return &directory{channels: c, byID: map[string]remembered{}}
}

// live is the channel's current broadcast; registry.ErrNone where there is
// none.
func (d *directory) live(ctx context.Context, channel string) (registry.Live, error) {
	if _, err := streamkey.ParseChannel(channel); err != nil {
		return registry.Live{}, registry.ErrNone
	}
	d.mu.Lock()
	r, ok := d.byID[channel]
	d.mu.Unlock()
	if ok && time.Since(r.at) < statusTTL {
		return r.live, r.err
	}
	v, err, _ := d.group.Do(channel, func() (any, error) {
		// One viewer asks for all: its leaving must not fail the others.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTimeout)
		defer cancel()
		l, err := d.channels.Live(ctx, channel)
		d.remember(channel, remembered{live: l, err: err, at: time.Now()})
		return l, err
	})
	l, _ := v.(registry.Live)
	return l, err
}

func (d *directory) remember(channel string, r remembered) {
	if r.err != nil && !errors.Is(r.err, registry.ErrNone) {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.byID) >= maxRemembered {
		clear(d.byID)
	}
	d.byID[channel] = r
}

func (d *directory) lives(ctx context.Context) ([]registry.Live, error) {
	d.mu.Lock()
	all := d.all
	d.mu.Unlock()
	if time.Since(all.at) < statusTTL {
		return all.lives, nil
	}
	v, err, _ := d.group.Do("*", func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTimeout)
		defer cancel()
		lives, err := d.channels.Lives(ctx)
		if err == nil {
			d.mu.Lock()
			d.all = rememberedAll{lives: lives, at: time.Now()}
			d.mu.Unlock()
		}
		return lives, err
	})
	lives, _ := v.([]registry.Live)
	return lives, err
}

// A channelStatus is what the page polls.
type channelStatus struct {
	Channel   string     `json:"channel"`
	State     string     `json:"state"` // "offline", "starting" or "live"
	Broadcast string     `json:"broadcast,omitempty"`
	Playlist  string     `json:"playlist,omitempty"`
	Started   *time.Time `json:"started,omitempty"`
	Video     string     `json:"video,omitempty"`
	Audio     string     `json:"audio,omitempty"`

	// Poster and Storyboard are there once there are pictures. Their URLs stay, what
	// they lead to is replaced.
	Poster     string `json:"poster,omitempty"`
	Storyboard string `json:"storyboard,omitempty"`
}

const stateOffline = "offline"

func statusOf(l registry.Live) channelStatus {
	st := channelStatus{
		Channel: l.Channel, State: l.State, Broadcast: l.Broadcast,
		Started: &l.Started, Video: l.Video, Audio: l.Audio,
	}
	if l.State == registry.StateLive {
		st.Playlist = "/live/" + l.Channel + "/index.m3u8"
	}
	if l.Poster > 0 {
		st.Poster = "/live/" + l.Channel + "/poster.jpg"
		st.Storyboard = "/hls/" + l.Broadcast + "/storyboard.vtt"
	}
	return st
}

// preview is the status for a page's head: offline where it is not known.
func (s *Server) preview(ctx context.Context, channel string) channelStatus {
	l, err := s.channels.live(ctx, channel)
	if err != nil {
		return channelStatus{Channel: channel, State: stateOffline}
	}
	return statusOf(l)
}

// channelStatus is public: it tells the page when to start and what to say.
func (s *Server) channelStatus(w http.ResponseWriter, r *http.Request) {
	channel := r.PathValue("channel")
	l, err := s.channels.live(r.Context(), channel)
	switch {
	case errors.Is(err, registry.ErrNone):
		s.json(w, r, channelStatus{Channel: channel, State: stateOffline})
	case err != nil:
		s.fail(w, r, err)
	default:
		s.json(w, r, statusOf(l))
	}
}

func (s *Server) listChannels(w http.ResponseWriter, r *http.Request) {
	lives, err := s.channels.lives(r.Context())
	if err != nil {
		s.fail(w, r, err)
		return
	}
	out := struct {
		Channels []channelStatus `json:"channels"`
	}{Channels: []channelStatus{}}
	for _, l := range lives {
		out.Channels = append(out.Channels, statusOf(l))
	}
	s.json(w, r, out)
}

// json answers with an ETag, so that a page that polls is mostly told that
// nothing has changed.
func (s *Server) json(w http.ResponseWriter, r *http.Request, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	sum := sha256.Sum256(body)
	tag := `"` + hex.EncodeToString(sum[:8]) + `"`
	h := w.Header()
	h.Set("ETag", tag)
	h.Set("Cache-Control", "no-cache")
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", "application/json")
	_, _ = w.Write(append(body, '\n'))
}
