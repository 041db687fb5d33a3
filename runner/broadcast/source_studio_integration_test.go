//go:build integration

package broadcast_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"

	"github.com/pharos-live/pharos/ingest"
	"github.com/pharos-live/pharos/ingest/rtmptest"
	"github.com/pharos-live/pharos/internal/hls"
	"github.com/pharos-live/pharos/internal/registry"
	"github.com/pharos-live/pharos/internal/wire"
	broadcastv1 "github.com/pharos-live/pharos/proto/pharos/broadcast/v1"
	"github.com/pharos-live/pharos/proto/pharos/broadcast/v1/broadcastv1connect"
	"github.com/pharos-live/pharos/runner/broadcast"
)

const (
	// speed is how many times as fast as its timestamps a source is sent.
	speed = 16
	// ahead is how far a source is sent ahead of what its rungs have come to: less than their encoder may
	// lag, more than the longest hole.
	ahead = 3500 * time.Millisecond
	// patience bounds all that a source waits for.
	patience = 30 * time.Second
)

// A studio is what all sources of the matrix share: an RTMP server, and a runner's service behind it,
// with a Redis and a store in memory.
type studio struct {
	*rig
	addr string

	mu     sync.Mutex // protects relays
	relays map[string]*relay
}

func newStudio(t *testing.T) *studio {
	t.Helper()
	s := &studio{rig: newRig(t, broadcast.Options{Tally: 200 * time.Millisecond}), relays: map[string]*relay{}}
	t.Cleanup(s.close)
	server, err := ingest.NewServer(ingest.HandlerFunc(func(_ context.Context, p ingest.Publish) (ingest.Sink, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if r := s.relays[p.Key]; r != nil {
			return r, nil
		}
		return nil, errors.New("no such source")
	}), ingest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = ln.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return s
}

// A relay carries the frames of one source from the RTMP server to the service, as the forwarder does,
// and keeps them.
type relay struct {
	spec   *broadcastv1.Spec
	stream *connect.BidiStreamForClient[broadcastv1.PublishRequest, broadcastv1.PublishResponse]
	ended  chan struct{} // the job has returned
	err    error         // what it returned, once ended

	frames []ingest.Frame // all that came; for its sender, until closed
	closed chan struct{}
	reason error // why the publish ended, once closed
}

func (r *relay) Write(f ingest.Frame) error {
	r.frames = append(r.frames, f)
	kind, codec := broadcastv1.Kind_KIND_VIDEO, broadcastv1.Codec_CODEC_H264
	if f.Kind == ingest.Audio {
		kind, codec = broadcastv1.Kind_KIND_AUDIO, broadcastv1.Codec_CODEC_AAC
	}
	_ = r.stream.Send(&broadcastv1.PublishRequest{Message: &broadcastv1.PublishRequest_Frame{Frame: &broadcastv1.Frame{
		Sequence: uint64(len(r.frames)), Epoch: r.spec.GetEpoch(), Kind: kind, Codec: codec, Dts: f.DTS,
		CompositionOffset: f.CTS, Keyframe: f.Key, Config: f.Config, Payload: f.Payload,
	}}}) // where the job has ended, Done tells
	return nil
}

func (r *relay) Close(reason error) {
	text := "the streamer stopped"
	if reason != nil {
		text = reason.Error()
	}
	_ = r.stream.Send(&broadcastv1.PublishRequest{Message: &broadcastv1.PublishRequest_End{End: &broadcastv1.End{Reason: text}}})
	select {
	case <-r.ended:
	case <-time.After(patience):
	}
	_ = r.stream.CloseRequest()
	r.reason = reason
	close(r.closed)
}

func (r *relay) Done() <-chan struct{} { return r.ended }
func (r *relay) Err() error            { return r.err }

// A show is what became of a source.
type show struct {
	*testing.T
	id     string
	events []hls.Event
	frames []ingest.Frame // as ingest understood them
	status string         // what the encoder was told at the end
	err    error          // what the job returned
	get    func(key string) []byte
}

// play sends a source, of which there is so much to see, and collects what viewers get of it.
func (s *studio) play(t *testing.T, id, ladder string, tags []tag, length time.Duration) *show {
	t.Helper()
	r := s.start(t, id, ladder)
	v := &viewer{studio: s, id: id, done: make(chan struct{})}
	go v.follow()
	w := &show{T: t, id: id, get: func(key string) []byte {
		body, err := s.store.Get(context.Background(), key)
		if err != nil {
			t.Errorf("%v", err)
		}
		return body
	}}
	w.status = s.send(t, id, tags, length, func(fed, ahead time.Duration) {
		for began := time.Now(); ladder != "" && fed-v.edge() > ahead && time.Since(began) < patience/2; {
			time.Sleep(5 * time.Millisecond)
		}
	})
	for _, wait := range []<-chan struct{}{r.closed, r.ended, v.done} {
		select {
		case <-wait:
		case <-time.After(patience):
			t.Fatal("the broadcast does not end")
		}
	}
	if v.err != nil {
		t.Fatalf("read the feed: %v", v.err)
	}
	w.events, w.frames, w.err = v.events, r.frames, r.err
	return w
}

// start starts the job of a source, and opens its publish.
func (s *studio) start(t *testing.T, id, ladder string) *relay {
	t.Helper()
	r := &relay{ended: make(chan struct{}), closed: make(chan struct{})}
	r.spec = &broadcastv1.Spec{
		BroadcastId: id, Channel: id, Epoch: 5, Term: 7, Server: "a", Packaging: s.spec.GetPackaging(),
		Transcoding: &broadcastv1.Transcoding{IncludeSource: true, Ladder: ladder},
	}
	ready := make(chan struct{})
	go func() {
		defer close(r.ended)
		r.err = s.svc.Run(context.Background(), r.spec, func(*broadcastv1.Started) { close(ready) })
	}()
	select {
	case <-ready:
	case <-r.ended:
		t.Fatalf("the job ended at once: %v", r.err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r.stream = broadcastv1connect.NewFramesServiceClient(s.http.Client(), s.http.URL()).Publish(ctx)
	open := &broadcastv1.Open{BroadcastId: id, Epoch: 5}
	if err := r.stream.Send(&broadcastv1.PublishRequest{Message: &broadcastv1.PublishRequest_Open{Open: open}}); err != nil {
		t.Fatal(err)
	}
	acks := make(chan struct{})
	go func() {
		defer close(acks)
		for {
			if _, err := r.stream.Receive(); err != nil {
				_ = r.stream.CloseResponse()
				return
			}
		}
	}()
	t.Cleanup(func() { cancel(); <-acks })
	s.mu.Lock()
	defer s.mu.Unlock()
	s.relays[id] = r
	return r
}

// send publishes tags by RTMP. hold is asked before each picture how far it has come. What the encoder
// is told at the end is returned.
func (s *studio) send(t *testing.T, id string, tags []tag, length time.Duration, hold func(fed, ahead time.Duration)) (status string) {
	t.Helper()
	c, err := rtmptest.Dial(t.Context(), s.addr)
	if err == nil {
		err = c.Publish("live", id)
	}
	if err == nil {
		err = c.SetChunkSize(60_000)
	}
	if err == nil { // none of it is true
		err = c.WriteMessage(3, rtmptest.TypeData, rtmptest.Stream, 0, rtmptest.AMF0("@setDataFrame", "onMetaData", map[string]any{
			"width": 1.0, "height": 99_999.0, "framerate": -7.0, "videocodecid": "hvc1", "audiosamplerate": 8.0, "duration": 1e300,
		}))
	}
	if err != nil {
		t.Fatal(err)
	}
	told := make(chan string, 1)
	go func() {
		for {
			st, err := c.ReadStatus()
			if err != nil || st.Level == "error" {
				told <- st.Description
				return
			}
		}
	}()
	began := time.Now()
	for _, tag := range tags {
		time.Sleep(time.Until(began.Add(time.Duration(tag.ms) * time.Millisecond / speed)))
		write := c.Audio
		if tag.video {
			write = c.Video
			hold(time.Duration(tag.ms)*time.Millisecond, ahead)
		}
		if err := write(tag.raw, tag.body); err != nil {
			break // the reason is read
		}
	}
	// The broadcast waits a second for its encoder, and a busy machine needs more.
	hold(length, 500*time.Millisecond)
	_ = c.Unpublish() // where the server has closed, it has said why
	select {
	case status = <-told:
	case <-time.After(patience):
	}
	_ = c.Close()
	return status
}

// A viewer reads a feed as an app server does.
type viewer struct {
	*studio
	id   string
	done chan struct{} // closed at the feed's end

	last   registry.EntryID
	events []hls.Event // for its reader, once done
	err    error

	lock  sync.Mutex // protects ends
	ends  []time.Duration
	began bool
}

// follow reads until the end of the feed.
func (v *viewer) follow() {
	defer close(v.done)
	for began := time.Now(); time.Since(began) < 2*patience; time.Sleep(3 * time.Millisecond) {
		entries, err := v.studio.edge.After(context.Background(), v.id, v.last)
		if err != nil {
			v.err = err
			return
		}
		for _, e := range entries {
			v.last = e.ID
			event, err := wire.DecodeEvent(e.Data)
			if err != nil {
				v.err = err
				return
			}
			v.note(event)
			if _, over := event.(hls.End); over {
				return
			}
		}
		if r := v.relay(); len(entries) == 0 && r != nil {
			select {
			case <-r.ended:
				if entries, _ := v.studio.edge.After(context.Background(), v.id, v.last); len(entries) == 0 {
					return
				}
			default:
			}
		}
	}
}

func (v *viewer) relay() *relay {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.relays[v.id]
}

func (v *viewer) note(event hls.Event) {
	v.events = append(v.events, event)
	v.lock.Lock()
	defer v.lock.Unlock()
	switch e := event.(type) {
	case hls.Take:
		v.ends, v.began = make([]time.Duration, len(e.Renditions)), true
	case hls.Part:
		v.ends[e.Rendition] = e.Start + e.Duration
	case hls.Gap:
		v.ends[e.Rendition] = e.Start + e.Duration
	}
}

// edge is how far all renditions have come.
func (v *viewer) edge() time.Duration {
	v.lock.Lock()
	defer v.lock.Unlock()
	if !v.began {
		return 0
	}
	return slices.Min(v.ends)
}

// slug makes a case's name a broadcast's.
func slug(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToLower(name))
}
