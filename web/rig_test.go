package web_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/pharos-live/pharos/internal/hls"
	"github.com/pharos-live/pharos/internal/objstore"
	"github.com/pharos-live/pharos/internal/registry"
	"github.com/pharos-live/pharos/internal/wire"
	"github.com/pharos-live/pharos/web"
)

const (
	broadcast = "01JD0000000000000000000000"
	term      = 7
	part      = 500 * time.Millisecond
	target    = 2 * time.Second
)

// A station is a feed, a doorbell and a registry that the test speaks through.
type station struct {
	t *testing.T

	mu        sync.Mutex // protects all below
	entries   []registry.Entry
	rings     []chan struct{}
	live      map[string]registry.Live
	asked     int // how often the registry was asked about a channel
	snapshots int
	fail      error // what reading the feed answers
	numbers   [2]struct{ part, msn uint64 }
}

func (s *station) Snapshot(context.Context, string) (registry.Snapshot, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.snapshots++
	if s.fail != nil {
		return registry.Snapshot{}, s.fail
	}
	if len(s.entries) == 0 {
		return registry.Snapshot{}, registry.ErrNone
	}
	return registry.Snapshot{Head: s.entries[0].Data, Entries: slices.Clone(s.entries)}, nil
}

func (s *station) After(_ context.Context, _ string, id registry.EntryID) ([]registry.Entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return nil, s.fail
	}
	i, _ := slices.BinarySearchFunc(s.entries, id, func(e registry.Entry, id registry.EntryID) int { return e.ID.Compare(id) })
	for i < len(s.entries) && s.entries[i].ID.Compare(id) <= 0 {
		i++
	}
	return slices.Clone(s.entries[i:]), nil
}

func (s *station) Feed(string) (<-chan struct{}, func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ring := make(chan struct{}, 1)
	s.rings = append(s.rings, ring)
	return ring, func() {}
}

func (s *station) Live(_ context.Context, channel string) (registry.Live, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	l, ok := s.live[channel]
	if !ok {
		return l, registry.ErrNone
	}
	return l, nil
}

func (s *station) Lives(context.Context) ([]registry.Live, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []registry.Live
	for _, l := range s.live {
		all = append(all, l)
	}
	return all, nil
}

// append adds events to the feed and rings.
func (s *station) append(events ...hls.Event) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range events {
		data, err := wire.EncodeEvent(e)
		if err != nil {
			s.t.Fatal(err)
		}
		s.entries = append(s.entries, registry.Entry{ID: registry.EntryID{Term: term, Seq: uint64(len(s.entries))}, Data: data})
	}
	for _, r := range s.rings {
		select {
		case r <- struct{}{}:
		default:
		}
	}
}

func take() hls.Take {
	return hls.Take{
		Renditions: []hls.Rendition{
			{Name: "source", Kind: hls.Video, Codecs: "avc1.64001f", Width: 1280, Height: 720, FrameRate: 30, Bandwidth: 3_000_000, AverageBandwidth: 2_500_000},
			{Name: "audio", Kind: hls.Audio, Codecs: "mp4a.40.2", Bandwidth: 130_000, AverageBandwidth: 130_000, Channels: 2, SampleRate: 48000},
		},
		TargetDuration: target, PartTarget: 525 * time.Millisecond, Window: time.Minute,
		Anchor: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC),
	}
}

// part appends the next part of every rendition.
func (s *station) part() {
	s.t.Helper()
	for r := range s.numbers {
		n := &s.numbers[r]
		s.append(hls.Part{
			Rendition: r, Number: n.part, MSN: n.msn, Start: time.Duration(n.part) * part, Duration: part,
			Independent: true, Size: 100, Init: "aa", Term: term,
		})
		n.part++
	}
}

// segment appends whole segments of four parts, durable at once unless late.
func (s *station) segment(late bool) {
	s.t.Helper()
	for range 4 {
		s.part()
	}
	for r := range s.numbers {
		n := &s.numbers[r]
		s.append(hls.Close{Rendition: r, MSN: n.msn, Duration: 4 * part})
		if !late {
			s.append(hls.Object{Rendition: r, MSN: n.msn, Size: 400, Term: term})
		}
		n.msn++
	}
}

// A rig is a Server with its station and store.
type rig struct {
	*station
	web     *web.Server
	store   *objstore.Memory
	handler http.Handler
	ready   error
}

// newRig starts a Server; the returned stop ends it and waits.
func newRig(t *testing.T) (r *rig, stop func()) {
	t.Helper()
	return newRigWith(t, func(*web.Options) {})
}

// newRigWith is newRig with other options.
func newRigWith(t *testing.T, change func(*web.Options)) (r *rig, stop func()) {
	t.Helper()
	r = &rig{station: &station{t: t, live: map[string]registry.Live{}}, store: &objstore.Memory{}}
	o := web.Options{
		Media:  http.NotFoundHandler(),
		Bundle: fstest.MapFS{"app.js": {Data: []byte("play()")}, "app.css": {Data: []byte("a{}")}},
	}
	change(&o)
	srv, err := web.New(r.station, r.station, r.station, r.store, func() error { return r.ready }, o)
	if err != nil {
		t.Fatal(err)
	}
	r.web, r.handler = srv, srv.Handler()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	started := make(chan struct{})
	go func() {
		defer close(done)
		close(started)
		_ = srv.Run(ctx)
	}()
	<-started
	return r, func() { cancel(); <-done }
}

// get asks the server; header are pairs.
func (r *rig) get(ctx context.Context, path string, header ...string) *httptest.ResponseRecorder {
	req := httptest.NewRequestWithContext(ctx, http.MethodGet, path, nil)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	r.handler.ServeHTTP(rec, req)
	return rec
}

func playlistOf(rendition string) string {
	return "/hls/" + broadcast + "/" + rendition + "/index.m3u8"
}
