package keeper_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/fmp4"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/fmp4/seekablebuffer"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/mp4/codecs"

	"github.com/pharos-live/pharos/internal/hls"
	"github.com/pharos-live/pharos/internal/journal"
	"github.com/pharos-live/pharos/internal/keeper"
	"github.com/pharos-live/pharos/internal/objstore"
	"github.com/pharos-live/pharos/internal/registry"
	"github.com/pharos-live/pharos/internal/registry/registrytest"
	"github.com/pharos-live/pharos/internal/replay"
	"github.com/pharos-live/pharos/internal/wire"
)

const (
	id      = "01JD0000000000000000000000"
	two     = 2 * time.Second
	scale   = 48000
	channel = "news"
)

// A rig is a cluster of one broadcast, in a bubble, and its keepers.
type rig struct {
	*testing.T
	ctx   context.Context
	redis *registrytest.Redis
	edge  *registry.Registry
	store *objstore.Memory
	log   *lines
	parts reaper

	mu   sync.Mutex // protects all below
	fail string     // keys that hold this cannot be reached
}

// A reaper notes what it was asked.
type reaper struct {
	mu    sync.Mutex // protects asked
	asked []string
}

func (r *reaper) Parts(_ context.Context, broadcast string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = append(r.asked, broadcast)
	return nil
}

func (r *reaper) times() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.asked)
}

func bubble(t *testing.T, test func(*rig)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		// Last of all: the Redis client's dialler looks each second whether it was closed.
		t.Cleanup(func() { time.Sleep(2 * time.Second) })
		ctx, cancel := context.WithCancel(context.Background())
		t.Cleanup(cancel)
		r := &rig{T: t, ctx: ctx, redis: registrytest.Mini(t), log: &lines{}}
		r.edge = r.redis.Registry(t, registry.Options{})
		r.store = &objstore.Memory{Fail: func(key string) error {
			r.mu.Lock()
			defer r.mu.Unlock()
			if r.fail != "" && strings.Contains(key, r.fail) {
				return errors.New("no route to the bucket")
			}
			return nil
		}}
		t.Cleanup(func() {
			if t.Failed() {
				t.Logf("log:\n%s", r.log)
			}
		})
		test(r)
	})
}

func (r *rig) setFail(key string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fail = key
}

func (r *rig) ok(err error) {
	r.Helper()
	if err != nil {
		r.Fatalf("got error %v, want none", err)
	}
}

// keep runs a keeper until the end of the test, or until stop.
func (r *rig) keep(name string, link *registrytest.Link, o keeper.Options) (stop func()) {
	log := slog.New(slog.NewTextHandler(r.log, nil)).With("who", name)
	o.Logger, o.Reaper = log, &r.parts
	k := keeper.New(link.Registry(r.T, registry.Options{Logger: log}), r.store, o)
	ctx, cancel := context.WithCancel(r.ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = k.Run(ctx) // what ends it is ctx
	}()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	r.Cleanup(stop)
	return stop
}

func (r *rig) put(key string, body []byte) {
	r.Helper()
	r.ok(r.store.Put(r.ctx, key, body, objstore.PutOptions{}))
}

func (r *rig) has(key string) bool {
	_, err := r.store.Get(r.ctx, key)
	return err == nil
}

// under counts the objects whose keys begin with prefix.
func (r *rig) under(prefix string) int {
	n := 0
	r.ok(r.store.List(r.ctx, prefix, func(objstore.Object) bool { n++; return true }))
	return n
}

// index is the broadcast's index document, waiting for it for at most wait.
func (r *rig) index(wait time.Duration) replay.Index {
	r.Helper()
	deadline := time.Now().Add(wait)
	for {
		i, err := replay.Find(r.ctx, r.store, id)
		if err == nil {
			return i
		}
		if time.Now().After(deadline) {
			r.Fatalf("no index document within %v: %v", wait, err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// listed are the URIs in a replay's playlist.
func (r *rig) listed(rendition string) string {
	r.Helper()
	text, err := r.store.Get(r.ctx, replay.MediaKey(id, rendition))
	r.ok(err)
	var uris []string
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); !strings.HasPrefix(line, "#") {
			uris = append(uris, line)
		}
	}
	return strings.Join(uris, " ")
}

// ends are the reasons of the feed's ends.
func (r *rig) ends() []string {
	r.Helper()
	snap, err := r.edge.Snapshot(r.ctx, id)
	if errors.Is(err, registry.ErrNone) {
		return nil
	}
	r.ok(err)
	var all []string
	for _, e := range snap.Entries {
		event, err := wire.DecodeEvent(e.Data)
		r.ok(err)
		if end, ok := event.(hls.End); ok {
			all = append(all, end.Reason)
		}
	}
	return all
}

// A runner is one that carries the broadcast, as far as others see it.
type runner struct {
	*rig
	term    uint64
	live    registry.Live
	feed    *registry.Feed
	stop    context.CancelFunc // of lease and feed: its death
	gone    sync.WaitGroup
	take    hls.Take
	pending []hls.Event // not in the journal yet
	number  uint64
	msn     uint64
	link    *registrytest.Link
}

// runner starts a broadcast: marker, lease, take, first object of the journal.
func (r *rig) runner() *runner {
	r.Helper()
	term, err := r.edge.NextTerm(r.ctx, id)
	r.ok(err)
	epoch, err := r.edge.NextEpoch(r.ctx, channel)
	r.ok(err)
	u := &runner{rig: r, term: term, link: r.redis.Link()}
	u.live = registry.Live{Channel: channel, Broadcast: id, Epoch: epoch, Term: term, State: registry.StateLive}
	u.take = hls.Take{
		Renditions:     []hls.Rendition{{Name: "source", Kind: hls.Video, Codecs: "avc1.64001f"}, {Name: "audio", Kind: hls.Audio, Codecs: "mp4a.40.2"}},
		TargetDuration: 4 * time.Second, PartTarget: time.Second, Window: time.Minute, Anchor: time.Now(),
	}
	r.ok(replay.Mark(r.ctx, r.store, replay.Marker{Broadcast: id, Channel: channel, Started: time.Now()}))
	ctx, cancel := context.WithCancel(r.ctx)
	u.stop = cancel
	reg := u.link.Registry(r.T, registry.Options{})
	lease := reg.HoldLive(ctx, u.live)
	u.gone.Go(func() { <-lease.Done() })
	u.feed = reg.Feed(id, term)
	_, err = u.feed.Take(ctx, u.encode(u.take))
	r.ok(err)
	u.gone.Go(func() { _ = u.feed.Run(ctx) }) // what ends it is ctx
	r.Cleanup(func() { cancel(); u.gone.Wait() })
	for _, name := range []string{"source", "audio"} {
		r.put(hls.InitKey(id, name, "aa"), initSection(r.T))
	}
	u.pending = append(u.pending, u.take)
	u.journal()
	return u
}

func (u *runner) encode(e hls.Event) []byte {
	u.Helper()
	data, err := wire.EncodeEvent(e)
	u.ok(err)
	return data
}

func (u *runner) tell(events ...hls.Event) {
	u.Helper()
	for _, e := range events {
		_, err := u.feed.Append(u.ctx, u.encode(e))
		u.ok(err)
	}
}

// segment brings the next segment of every rendition into bucket, feed and journal to be.
func (u *runner) segment() {
	u.Helper()
	start := time.Duration(u.msn) * two
	for i, name := range []string{"source", "audio"} {
		body := segmentBody(u.T, start, two)
		u.put(hls.SegmentKey(id, name, u.msn, u.term), body)
		s := hls.Segment{Rendition: i, MSN: u.msn, Start: start, Duration: two, Size: int64(len(body)), Init: "aa", Term: u.term}
		for n := range 2 {
			u.tell(hls.Part{
				Rendition: i, Number: 2*u.msn + uint64(n), MSN: u.msn, Start: start + time.Duration(n)*time.Second, Duration: time.Second,
				Independent: true, Size: 1, Init: "aa", Term: u.term,
			})
		}
		u.tell(hls.Close{Rendition: i, MSN: u.msn, Duration: two}, hls.Object{Rendition: i, MSN: u.msn, Size: s.Size, Term: u.term})
		u.ok(u.feed.Older(u.encode(s)))
		u.pending = append(u.pending, s)
	}
	u.msn++
	time.Sleep(two)
}

func (u *runner) segments(n int) {
	u.Helper()
	for range n {
		u.segment()
	}
}

// journal writes what is pending.
func (u *runner) journal() {
	u.Helper()
	o := journal.Object{Broadcast: id, Channel: channel, Started: u.take.Anchor, Term: u.term, Number: u.number, Events: u.pending}
	body, err := o.Encode()
	u.ok(err)
	u.put(o.Key(), body)
	u.pending = nil
	u.number++
}

// die ends the runner as a crash does: its lease expires.
func (u *runner) die() {
	u.link.Cut()
	u.stop()
	u.gone.Wait()
}

// initSection is an init section of 48 kHz.
func initSection(t *testing.T) []byte {
	t.Helper()
	init := fmp4.Init{Tracks: []*fmp4.InitTrack{{ID: 1, TimeScale: scale, Codec: &codecs.MPEG4Audio{
		Config: mpeg4audio.AudioSpecificConfig{Type: 2, SampleRate: scale, ChannelConfig: 2},
	}}}}
	var b seekablebuffer.Buffer
	if err := init.Marshal(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// segmentBody is a segment of two fragments.
func segmentBody(t *testing.T, start, length time.Duration) []byte {
	t.Helper()
	var body []byte
	for n := range 2 {
		half := length / 2
		part := fmp4.Part{SequenceNumber: uint32(n), Tracks: []*fmp4.PartTrack{{
			ID: 1, BaseTime: uint64((start + time.Duration(n)*half) * scale / time.Second),
			Samples: []*fmp4.Sample{
				{Duration: uint32(half / 2 * scale / time.Second), Payload: []byte{1}},
				{Duration: uint32(half / 2 * scale / time.Second), Payload: []byte{2}},
			},
		}}}
		var b seekablebuffer.Buffer
		if err := part.Marshal(&b); err != nil {
			t.Fatal(err)
		}
		body = append(body, b.Bytes()...)
	}
	return body
}

// uris are those of the first n segments under a term.
func uris(n int, term uint64) string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("s%d.%d.m4s", i, term))
	}
	return strings.Join(all, " ")
}

// lines is a log that can be searched.
type lines struct {
	mu  sync.Mutex // protects buf
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// count is how many lines hold all of what.
func (l *lines) count(what ...string) int {
	n := 0
	for line := range strings.Lines(l.String()) {
		if !slices.ContainsFunc(what, func(w string) bool { return !strings.Contains(line, w) }) {
			n++
		}
	}
	return n
}
