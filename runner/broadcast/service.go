// Package broadcast is the job that Pharos exists for: one function, Run, that
// carries one broadcast on a runner from its first frame to its last playlist
// entry.
//
//	ingest ──frames──▶ Publish ──▶ session ─┬─▶ packager ──▶ bucket
//	       ◀──acks───                       │      ▲  └────▶ feed
//	                                        └─▶ ffmpeg (rungs)
//
// A session goes through these states:
//
//	placed ──open──▶ collecting ──tracks known──▶ live ──end──▶ flushing ──▶ gone
//	  │ none came        │ no media                │ fenced
//	  └──────────────────┴─────────────────────────┴──────────────────────▶ gone
//
// It promises:
//   - Frames of one epoch only reach a session, in order; an older epoch's are
//     refused.
//   - The set of renditions and all constants are fixed by the Take, the first
//     entry of the feed.
//   - However a publish ends, every playlist gets its ENDLIST: by Run before it
//     returns, or, when the runner died or Run says that it failed, by the app
//     server that placed it, under the next term. A broadcast that is fenced
//     writes nothing more: another term has it.
//   - What is asked to encode the rungs encodes them on this machine, or the job
//     fails before any frame is taken.
//   - An encoder that fails leaves a hole in its rungs, of gaps, and is begun anew
//     at the next keyframe. It ends the broadcast only where it fails before its
//     first packet, or keeps failing while the source is no rendition: then nothing
//     is left to watch. It takes nothing with it that viewers have.
//   - What a replay needs is written to the bucket as the broadcast goes on, and the
//     replay itself at the end: ENDLIST first, then the replay. What of it Run does
//     not get done, a keeper does.
//   - The lease of the channel is held until the broadcast is flushed, and a
//     broadcast whose lease is lost to a newer epoch or term ends.
//   - Nothing outlives Run: no goroutine, no ffmpeg, no lease; but for a Publish
//     whose sender has not ended its stream yet.
package broadcast

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"connectrpc.com/connect"

	broadcastv1 "github.com/pharos-live/pharos/proto/pharos/broadcast/v1"
	"github.com/pharos-live/pharos/proto/pharos/broadcast/v1/broadcastv1connect"
)

// Defaults of Options.
const (
	DefaultOpen  = 10 * time.Second
	DefaultFlush = 10 * time.Second
	DefaultTally = time.Second
)

var (
	errUnknown = errors.New("no such broadcast on this runner")
	errEpoch   = errors.New("a newer publish of this channel has begun")
	errTaken   = errors.New("this broadcast is being published already")
)

// Options are the tunables of a Service; the zero value works.
type Options struct {
	Machine string        // the machine's launch id, for the registry
	FFmpeg  string        // the program; "" = ffmpeg in PATH
	Open    time.Duration // how long a placed job waits for its publish; 0 = 10s
	Flush   time.Duration // how long the end may take; 0 = 10s
	Tally   time.Duration // how long the start waits for both tracks; 0 = 1s
	Logger  *slog.Logger  // nil = discard

	// Stills makes pictures of sources without rungs: FindStills; nil = they have none.
	Stills StartStills
}

func (o Options) withDefaults() Options {
	if o.FFmpeg == "" {
		o.FFmpeg = "ffmpeg"
	}
	if o.Open == 0 {
		o.Open = DefaultOpen
	}
	if o.Flush == 0 {
		o.Flush = DefaultFlush
	}
	if o.Tally == 0 {
		o.Tally = DefaultTally
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// A Service runs the broadcasts of one runner and takes their frames. It is
// safe for concurrent use.
type Service struct {
	store    Store
	registry Registry
	o        Options
	encoders encoders

	mu       sync.Mutex // protects sessions
	sessions map[string]*session
}

// New makes a Service; it starts nothing.
func New(store Store, registry Registry, o Options) *Service {
	return &Service{store: store, registry: registry, o: o.withDefaults(), encoders: newEncoders(), sessions: map[string]*session{}}
}

// compressMin is the size, in bytes, from which an answer is compressed. An
// acknowledgement is of some ten bytes and comes ten times a second: gzip would
// only make it larger.
const compressMin = 4 << 10

// NewHandler makes the HTTP handler of the frames service, for runner.Mount.
func NewHandler(h broadcastv1connect.FramesServiceHandler) (path string, handler http.Handler) {
	return broadcastv1connect.NewFramesServiceHandler(h, connect.WithCompressMinBytes(compressMin))
}

// Broadcasts names the broadcasts that run now, sorted.
func (s *Service) Broadcasts() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.sessions))
}

func (s *Service) add(se *session) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.sessions[se.spec.GetBroadcastId()]; ok {
		return fmt.Errorf("broadcast %s runs on this runner already", se.spec.GetBroadcastId())
	}
	s.sessions[se.spec.GetBroadcastId()] = se
	return nil
}

func (s *Service) remove(se *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, se.spec.GetBroadcastId())
}

func (s *Service) find(id string) (*session, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	se, ok := s.sessions[id]
	return se, ok
}

// Publish takes the frames of one publish (pharos.broadcast.v1.FramesService).
// It returns when its caller has ended the stream. That the broadcast itself
// has ended, and why, the caller learns from the job: until it then ends the
// stream, what it sends is read and left out.
func (s *Service) Publish(_ context.Context, stream *connect.BidiStream[broadcastv1.PublishRequest, broadcastv1.PublishResponse]) error {
	first, err := stream.Receive()
	if err != nil {
		return err
	}
	open := first.GetOpen()
	if open == nil {
		return connect.NewError(connect.CodeInvalidArgument, errors.New("a publish begins with open"))
	}
	se, ok := s.find(open.GetBroadcastId())
	if !ok {
		return connect.NewError(connect.CodeNotFound, fmt.Errorf("broadcast %s: %w", open.GetBroadcastId(), errUnknown))
	}
	if err := se.open(open.GetEpoch()); err != nil {
		return connect.NewError(connect.CodeFailedPrecondition, err)
	}
	return se.carry(stream, open.GetEpoch())
}
