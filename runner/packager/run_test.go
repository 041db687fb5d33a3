package packager_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pharos-live/pharos/internal/hls"
	"github.com/pharos-live/pharos/runner/packager"
)

func TestRun_AnnouncementsAreHeldBackUntilStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, said := newStore(), 0
		p, err := packager.New(testConfig(), packager.Tracks{Audio: &packager.Audio{Config: stereo48k}}, store, packager.Options{
			Announce: func(context.Context, ...hls.Event) error { said++; return nil },
			Older:    func(context.Context, hls.Segment) error { return nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- p.Run(t.Context()) }()
		for i := range 100 {
			if err := p.Audio(packager.Sample{PTS: int64(i) * 1920, Data: payload(i, 50)}); err != nil {
				t.Fatal(err)
			}
		}
		p.End()
		time.Sleep(time.Hour)
		if said > 0 || len(store.keys()) < 7 {
			t.Errorf("before Start there are %d announcements and %d uploads, want none and all", said, len(store.keys()))
		}
		p.Start()
		p.Start()
		if err := <-done; err != nil || said == 0 {
			t.Errorf("after Start there are %d announcements, and Run returns %v", said, err)
		}
		if err := p.Audio(packager.Sample{Data: payload(0, 50)}); !errors.Is(err, packager.ErrEnded) {
			t.Errorf("input after End gives %v, want %v", err, packager.ErrEnded)
		}
	})
}

func TestRun_LastPartAndItsCloseComeTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex // protects together
		var together bool
		r := avRig(t, func(_ *packager.Config, o *packager.Options) {
			announce := o.Announce
			o.Announce = func(ctx context.Context, events ...hls.Event) error {
				mu.Lock()
				defer mu.Unlock()
				for i := 1; i < len(events); i++ {
					_, isPart := events[i-1].(hls.Part)
					_, isClose := events[i].(hls.Close)
					together = together || isPart && isClose
				}
				return announce(ctx, events...)
			}
		})
		r.feed(r.video(steady(24, 2100*time.Millisecond, 3*time.Second))) // a short last part
		r.finish()
		if !together {
			t.Error("no call has a part and the close of its segment")
		}
	})
}

func TestRun_AnErrorOfTheFeedEndsIt(t *testing.T) {
	t.Parallel()
	errFeed := errors.New("fenced")
	for _, which := range []string{"Announce", "Older"} {
		t.Run(which, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := avRig(t, func(_ *packager.Config, o *packager.Options) {
					if which == "Announce" {
						o.Announce = func(context.Context, ...hls.Event) error { return errFeed }
					} else {
						o.Older = func(context.Context, hls.Segment) error { return errFeed }
					}
				})
				for _, in := range r.video(steady(30, 2*time.Second, 2100*time.Millisecond)) {
					r.at(time.Duration(in.at) * time.Millisecond)
					if err := in.feed(); err != nil && !errors.Is(err, packager.ErrEnded) {
						t.Fatal(err)
					}
				}
				if err := <-r.done; !errors.Is(err, errFeed) {
					t.Errorf("Run returns %v, want %v", err, errFeed)
				}
				synctest.Wait()
				if err := r.p.Source(packager.Sample{Data: payload(1, 9)}); !errors.Is(err, packager.ErrEnded) {
					t.Errorf("input afterwards gives %v, want %v", err, packager.ErrEnded)
				}
				r.cancel(nil)
			})
		})
	}
}

func TestRun_EndsAtOnceWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := avRig(t, nil)
		r.store.during(func(ctx context.Context, _ string) error { return hang(ctx) })
		r.live(0, 3)
		now := time.Now()
		r.stop()
		if d := time.Since(now); d != 0 {
			t.Errorf("Run took %v to end", d)
		}
		if got := r.p.Stats().InFlight.Load(); got != 0 {
			t.Errorf("%d uploads are under way after Run", got)
		}
	})
}

func TestKeep_IsTheFirstFrameOfTheOldestSegmentNotDurable(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := avRig(t, nil)
		if got := r.p.Keep(); got != 0 {
			t.Errorf("keep is %d before any frame, want 0", got)
		}
		r.store.during(func(ctx context.Context, key string) error {
			if strings.Contains(key, "audio/s1.") {
				return slow(ctx, 3*time.Second)
			}
			return nil
		})
		frames := steady(30, 2*time.Second, 9*time.Second) // frame n has number n+1
		sound := r.sound(48_000, 0, 9000)
		look := func(ms int64, want uint64) input {
			return input{ms, func() error {
				synctest.Wait()
				if got := r.p.Keep(); got != want {
					t.Errorf("keep is %d at %d ms, want %d", got, ms, want)
				}
				return nil
			}}
		}
		r.feed(r.video(frames), sound, []input{
			look(1900, 1), look(2100, 61), look(4500, 61), look(6500, 61), look(7200, 181), look(8900, 241),
		})
		r.finish()
		if got := r.p.Stats().Segments.Load(); got != 10 {
			t.Errorf("%d segments are durable, want 10", got)
		}
	})
}

func TestKeep_DoesNotWaitForWhatIsLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := avRig(t, nil)
		r.store.during(func(_ context.Context, key string) error {
			if strings.Contains(key, "source/s0.") {
				return errStore
			}
			return nil
		})
		r.live(0, 30)
		synctest.Wait()
		if got, want := r.p.Keep(), uint64(28*30+1); got != want {
			t.Errorf("keep is %d at 30 s, want %d, the open segment's", got, want)
		}
		if got := r.p.Stats().Lost.Load(); got != 1 {
			t.Errorf("%d segments are lost, want 1", got)
		}
		r.finish()
	})
}
