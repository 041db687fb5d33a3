package broadcast

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pharos-live/pharos/internal/hls"
	"github.com/pharos-live/pharos/internal/registry"
	"github.com/pharos-live/pharos/internal/registry/registrytest"
	"github.com/pharos-live/pharos/internal/wire"
	"github.com/pharos-live/pharos/runner/packager"
)

// A feedRig is a feed on a Redis of its own, within a bubble.
type feedRig struct {
	*testing.T
	*feed
	link *registrytest.Link // of the feed
	edge *registry.Registry // of its readers
	log  bytes.Buffer       // read it only once nothing is written
}

var pair = []hls.Rendition{
	{Name: "source", Kind: hls.Video, Codecs: "avc1.64001f", Width: 1280, Height: 720, FrameRate: 30, Bandwidth: 1, AverageBandwidth: 1},
	{Name: "audio", Kind: hls.Audio, Codecs: "mp4a.40.2", Bandwidth: 1, AverageBandwidth: 1, Channels: 2, SampleRate: 48000},
}

// withFeed runs test in a bubble with the feed of term 7.
func withFeed(t *testing.T, test func(*feedRig)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		// Last of all: the Redis client's dialler looks each second whether it was closed.
		t.Cleanup(func() { time.Sleep(2 * time.Second) })
		redis := registrytest.Mini(t)
		r := &feedRig{T: t, link: redis.Link(), edge: redis.Registry(t, registry.Options{})}
		c := packager.Config{
			Broadcast: "b", Term: 7, Segment: 2 * time.Second, TargetDuration: 4 * time.Second,
			Part: 500 * time.Millisecond, Window: time.Minute, Anchor: time.Now(),
		}
		r.feed = newFeed(r.link.Registry(t, registry.Options{}).Feed("b", 7), c, slog.New(slog.NewTextHandler(&r.log, nil)))
		test(r)
	})
}

// running runs the feed until test returns.
func (r *feedRig) running(test func()) {
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = r.run(ctx) }() // what ends it is stop, or the feed's end
	test()
	stop()
	<-done
}

func (r *feedRig) ok(err error) {
	r.Helper()
	if err != nil {
		r.Fatalf("got error %v, want none", err)
	}
}

// read is the whole of the feed, decoded.
func (r *feedRig) read() (registry.Snapshot, []hls.Event) {
	r.Helper()
	snap, err := r.edge.Snapshot(context.Background(), "b")
	r.ok(err)
	var events []hls.Event
	for _, e := range snap.Entries {
		event, err := wire.DecodeEvent(e.Data)
		r.ok(err)
		events = append(events, event)
	}
	return snap, events
}

func TestFeed_KeepsTheOrderOfEachRendition(t *testing.T) {
	withFeed(t, func(r *feedRig) {
		ctx := context.Background()
		r.ok(r.take(ctx, pair))
		const segments = 20
		r.running(func() {
			var wg sync.WaitGroup
			for rendition := range pair {
				wg.Go(func() {
					for msn := range uint64(segments) {
						err := r.announce(ctx,
							hls.Part{Rendition: rendition, Number: msn, MSN: msn, Duration: time.Second, Start: time.Duration(msn) * time.Second, Size: 1, Init: "i"},
							hls.Close{Rendition: rendition, MSN: msn, Duration: time.Second},
						)
						if err != nil {
							t.Errorf("announce: %v", err)
						}
					}
				})
			}
			wg.Wait()
			r.ok(r.end(ctx, "over"))
			r.ok(r.to.Flush(ctx))
		})
		snap, events := r.read()
		for i, e := range snap.Entries {
			if want := (registry.EntryID{Term: 7, Seq: uint64(i)}); e.ID != want {
				t.Fatalf("entry %d has the id %v, want %v", i, e.ID, want)
			}
		}
		if _, ok := events[0].(hls.Take); !ok {
			t.Errorf("the feed begins with %T, want the take", events[0])
		}
		if diff := cmp.Diff(hls.End{Reason: "over"}, events[len(events)-1]); diff != "" {
			t.Errorf("last (-want +got):\n%s", diff)
		}
		next := make([]uint64, len(pair))
		for i, e := range events {
			p, ok := e.(hls.Part)
			if !ok {
				continue
			}
			if p.Number != next[p.Rendition] {
				t.Errorf("part %d of rendition %d came as number %d", p.Number, p.Rendition, next[p.Rendition])
			}
			next[p.Rendition]++
			if c, ok := events[i+1].(hls.Close); !ok || c.Rendition != p.Rendition || c.MSN != p.MSN {
				t.Errorf("behind part %d of rendition %d comes %+v, want its close: they were announced together", p.Number, p.Rendition, events[i+1])
			}
		}
		if err := r.announce(ctx, hls.Close{}); err == nil {
			t.Error("an event was taken after the end")
		}
	})
}

// TestFeed_StaysShortAndWhole holds that a reader who comes late gets a broadcast without a hole,
// however long it has lasted, from a stream and a list that do not grow.
func TestFeed_StaysShortAndWhole(t *testing.T) {
	withFeed(t, func(r *feedRig) {
		ctx := context.Background()
		r.ok(r.take(ctx, pair))
		const length = 2 * time.Second
		r.running(func() {
			for msn := range uint64(100) {
				for rendition := range pair {
					start := time.Duration(msn) * length
					for i := range uint64(4) {
						r.ok(r.announce(ctx, hls.Part{
							Rendition: rendition, Number: 4*msn + i, MSN: msn, Start: start + time.Duration(i)*length/4,
							Duration: length / 4, Independent: i == 0, Size: 1, Init: "i", Term: 7,
						}))
					}
					r.ok(r.announce(ctx,
						hls.Close{Rendition: rendition, MSN: msn, Duration: length},
						hls.Object{Rendition: rendition, MSN: msn, Size: 4, Term: 7},
					))
					r.ok(r.older(ctx, hls.Segment{Rendition: rendition, MSN: msn, Start: start, Duration: length, Size: 4, Init: "i", Term: 7}))
				}
				time.Sleep(length)
			}
			r.ok(r.to.Flush(ctx))
		})
		snap, events := r.read()
		if n := len(events); n > 150 || n < 90 { // 16 s of parts: 8 segments of 12 entries, and one or two more
			t.Errorf("%d entries stand in the stream, want those of 16 s", n)
		}
		if n := len(snap.Older); n > 66 || n < 58 { // a minute of two renditions' segments
			t.Errorf("%d segments stand in the list, want a minute's", n)
		}
		all := make([]hls.Event, 0, 1+len(snap.Older)+len(events))
		for _, data := range append([][]byte{snap.Head}, snap.Older...) {
			e, err := wire.DecodeEvent(data)
			r.ok(err)
			all = append(all, e)
		}
		model := hls.NewBroadcast("b")
		r.ok(model.Apply(append(all, events...)...))
		if got, _ := model.Edge("source"); got.MSN != 99 {
			t.Errorf("the model ends with segment %d, want 99", got.MSN)
		}
	})
}

func TestFeed_TakeWaitsForRedis(t *testing.T) {
	withFeed(t, func(r *feedRig) {
		r.link.Cut()
		began := time.Now()
		time.AfterFunc(10*time.Second, r.link.Mend)
		r.ok(r.take(context.Background(), pair))
		if took := time.Since(began); took < 10*time.Second || took > 12*time.Second {
			t.Errorf("took %v, want a moment more than the 10s in which Redis was away", took)
		}
		if got := strings.Count(r.log.String(), "level=WARN"); got != 1 {
			t.Errorf("got %d warnings, want one:\n%s", got, r.log.String())
		}
		if _, events := r.read(); len(events) != 1 {
			t.Errorf("got %d entries, want the take alone", len(events))
		}
	})
}

func TestFeed_TakeEndsWithItsContext(t *testing.T) {
	withFeed(t, func(r *feedRig) {
		r.link.Cut()
		ctx, cancel := context.WithCancelCause(context.Background())
		over := errors.New("over")
		time.AfterFunc(3*time.Second, func() { cancel(over) })
		began := time.Now()
		if err := r.take(ctx, pair); !errors.Is(err, over) {
			t.Errorf("got error %v, want the cause of the context's end", err)
		}
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("took %v, want 3s", took)
		}
	})
}

func TestFeed_TakeIsRefusedToAFormerTerm(t *testing.T) {
	withFeed(t, func(r *feedRig) {
		ctx := context.Background()
		_, err := r.edge.Feed("b", 8).Take(ctx, []byte("newer"))
		r.ok(err)
		if err := r.take(ctx, pair); !errors.Is(err, registry.ErrFenced) {
			t.Errorf("got error %v, want ErrFenced", err)
		}
	})
}
