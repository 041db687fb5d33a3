package reap_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pharos-live/pharos/internal/hls"
	"github.com/pharos-live/pharos/internal/objstore"
	"github.com/pharos-live/pharos/internal/reap"
	"github.com/pharos-live/pharos/runner/packager"
)

const (
	broadcast = "01JD0000000000000000000000"
	term      = 7
	target    = 4 * time.Second
	window    = time.Minute
	lagging   = 25 * time.Second // how far one of the app servers is behind
)

var (
	sps = []byte{
		0x67, 0x64, 0x00, 0x0c, 0xac, 0x3b, 0x50, 0xb0, 0x4b, 0x42, 0x00, 0x00, 0x03, 0x00, 0x02, 0x00, 0x00, 0x03, 0x00, 0x3d, 0x08,
	}
	pps = []byte{0x68, 0xee, 0x3c, 0x80}
)

var errAway = errors.New("the store is away")

// A show is a broadcast that is really packaged, with a Live that deletes its parts and app servers that
// watch: one that is up to date, one that lags, and those that joined in between.
type show struct {
	t     *testing.T
	store *objstore.Memory
	live  *reap.Live
	p     *packager.Packager
	ended chan error // of the packager's and the Live's Run
	began time.Time
	media time.Duration // how far it has been fed
	// lossy says that segments get lost. Behind one, the model forgets nothing until that is forgotten
	// itself: it then resolves parts that no playlist has shown for long.
	lossy bool

	mu      sync.Mutex // protects all below
	models  []*hls.Broadcast
	parts   map[string]uint64 // key → its segment
	older   []hls.Event
	recent  []hls.Event // as the stream keeps them
	take    hls.Take
	late    []batch
	deletes int
	fail    func(n int) error // of the nth Delete; may be nil
}

func (s *show) config() packager.Config {
	return packager.Config{
		Broadcast: broadcast, Term: term, Segment: 2 * time.Second, TargetDuration: target, Part: time.Second, Window: window,
		Anchor: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC),
	}
}

// newShow starts a show in a bubble. lose says which keys can never be put.
func newShow(t *testing.T, told func(context.Context) error, lose func(key string) bool) *show {
	t.Helper()
	s := &show{t: t, lossy: lose != nil, ended: make(chan error, 2), began: time.Now(), parts: map[string]uint64{}}
	s.store = &objstore.Memory{Fail: func(key string) error {
		if lose != nil && lose(key) {
			return errAway
		}
		return nil
	}}
	c := s.config()
	var err error
	s.p, err = packager.New(c, packager.Tracks{Source: &packager.Video{SPS: sps, PPS: pps, FrameRate: 5}, ListSource: true}, s.store,
		packager.Options{Announce: s.announce, Older: s.record})
	if err != nil {
		t.Fatal(err)
	}
	<-s.p.Ready()
	s.take = hls.Take{Renditions: s.p.Renditions(), TargetDuration: target, PartTarget: c.PartTarget(), Window: window, Anchor: c.Anchor}
	s.live = reap.NewLive(broadcast, []string{"source", "audio"}, s, reap.Options{TargetDuration: target, Told: told})
	s.join()
	s.join()
	go func() { s.ended <- s.p.Run(t.Context()) }()
	go func() { s.ended <- s.live.Run(t.Context()) }()
	s.p.Start()
	return s
}

// join adds an app server that begins with what the registry has now.
func (s *show) join() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	m := hls.NewBroadcast(broadcast)
	if err := m.Apply(slices.Concat([]hls.Event{s.take}, s.older, s.recent)...); err != nil {
		s.t.Errorf("join: %v", err)
	}
	if len(s.models) > 3 { // two stay, those who joined come and go
		s.models = slices.Delete(s.models, 2, 3)
	}
	s.models = append(s.models, m)
}

// A batch is events that come late to the app server that lags.
type batch struct {
	at     time.Time
	events []hls.Event
}

func (s *show) apply(i int, m *hls.Broadcast, events []hls.Event) {
	if err := m.Apply(events...); err != nil {
		s.t.Errorf("model %d: %v", i, err)
	}
}

func (s *show) announce(_ context.Context, events ...hls.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.late = append(s.late, batch{time.Now().Add(lagging), events})
	for i, m := range s.models {
		if i != 1 {
			s.apply(i, m, events)
		}
	}
	s.recent = append(s.recent, events...)
	for _, e := range events {
		switch e := e.(type) {
		case hls.Part:
			s.parts[hls.PartKey(broadcast, s.take.Renditions[e.Rendition].Name, e.Number, e.Term)] = e.MSN
		case hls.Gap:
			s.parts[hls.PartKey(broadcast, s.take.Renditions[e.Rendition].Name, e.Number, e.Term)] = e.MSN
		}
	}
	s.live.Note(events...)
	return nil
}

// record keeps the list of older segments, and of the stream what its readers need: four target durations.
func (s *show) record(_ context.Context, g hls.Segment) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.older = append(s.older, g)
	// The stream keeps what is newer than four target durations, in every rendition.
	cut := 0
	for i, e := range s.recent {
		if p, ok := e.(hls.Part); ok && g.Start-p.Start <= 5*target {
			break
		}
		if _, ok := e.(hls.Close); ok {
			cut = i + 1
		}
	}
	s.recent = s.recent[cut:]
	s.live.Note(g)
	return nil
}

// Delete is the bucket's, and holds it to the promises: what any app server still resolves stays, and so
// does a part without its segment.
func (s *show) Delete(ctx context.Context, keys ...string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deletes++
	if len(keys) > 1000 {
		s.t.Errorf("a request of %d keys", len(keys))
	}
	if s.fail != nil {
		if err := s.fail(s.deletes); err != nil {
			return err
		}
	}
	for len(s.late) > 0 && !time.Now().Before(s.late[0].at) {
		s.apply(1, s.models[1], s.late[0].events)
		s.late = s.late[1:]
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	for _, key := range keys {
		k, ok := hls.ParseMediaKey(key)
		if !ok || !k.Part {
			s.t.Errorf("%s is deleted, which is no part", key)
			continue
		}
		for i, m := range s.models {
			if got, _ := m.Part(ended, k.Rendition, k.Number); got != "" && !s.lossy {
				s.t.Errorf("at %v part %s is deleted, which app server %d resolves still", time.Since(s.began), key, i)
			}
			if p, err := m.Media(ended, k.Rendition, hls.Directives{}); s.lossy && err == nil && strings.Contains(string(p.Text()), fmt.Sprintf("\"p%d.m4s\"", k.Number)) {
				s.t.Errorf("at %v part %s is deleted, which app server %d lists still", time.Since(s.began), key, i)
			}
		}
		if !s.has(hls.SegmentKey(broadcast, k.Rendition, s.parts[key], term)) {
			s.t.Errorf("part %s is deleted, whose segment %d has no object", key, s.parts[key])
		}
	}
	return s.store.Delete(ctx, keys...)
}

func (s *show) has(key string) bool {
	_, err := s.store.Get(s.t.Context(), key)
	return err == nil
}

// run feeds the source with five frames a second, until a media time, at their pace.
func (s *show) run(until time.Duration) {
	s.t.Helper()
	const interval = 200 * time.Millisecond
	for ; s.media < until; s.media += interval {
		time.Sleep(time.Until(s.began.Add(s.media)))
		n := int64(s.media / interval)
		at := n * 18000
		err := s.p.Source(packager.Sample{DTS: at, PTS: at, Key: n%10 == 0, Data: []byte{0, 0, 0, 2, 0x65, byte(n)}, Seq: uint64(n + 1)})
		if err != nil {
			s.t.Fatal(err)
		}
	}
}

// finish ends the broadcast and waits for all.
func (s *show) finish() {
	s.t.Helper()
	s.p.End()
	if err := <-s.ended; err != nil {
		s.t.Errorf("Run: %v", err)
	}
	s.live.Close()
	if err := <-s.ended; err != nil {
		s.t.Errorf("Run: %v", err)
	}
}

// deletions is how many requests there were.
func (s *show) deletions() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.deletes
}

// left is the parts in the bucket.
func (s *show) left() (keys []string) {
	s.t.Helper()
	err := s.store.List(s.t.Context(), broadcast+"/", func(o objstore.Object) bool {
		if hls.IsPartKey(o.Key) {
			keys = append(keys, o.Key)
		}
		return true
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return keys
}

// segments counts the objects of segments.
func (s *show) segments() (n int) {
	s.t.Helper()
	err := s.store.List(s.t.Context(), broadcast+"/", func(o objstore.Object) bool {
		if strings.Contains(o.Key, "/s") && !strings.Contains(o.Key, "/source/p") && !strings.Contains(o.Key, "/init") {
			n++
		}
		return true
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}
