package packager_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pharos-live/pharos/internal/hls"
)

// usual is what a request takes in a store that is well.
const usual = 30 * time.Millisecond

// requests counts what a store is asked.
type requests struct {
	mu      sync.Mutex // protects all below
	n       int
	objects map[string]int // requests by key
}

// next notes a request and returns how many came before it.
func (r *requests) next(key string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.objects == nil {
		r.objects = map[string]int{}
	}
	r.objects[key]++
	r.n++
	return r.n - 1
}

// gaps counts the gaps of every rendition.
func (r *rig) gaps() (all int) {
	for i := range r.p.Renditions() {
		_, gaps := r.parts(i)
		all += len(gaps)
	}
	return all
}

func TestStragglers_AreJoinedByASecondRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := avRig(t, nil)
		var asked requests
		hung := 0
		r.store.during(func(ctx context.Context, key string) error {
			if n := asked.next(key); n%40 == 39 && asked.of(key) == 1 {
				r.mu.Lock()
				hung++
				r.mu.Unlock()
				return hang(ctx)
			}
			return slow(ctx, usual)
		})
		r.live(0, 60)
		r.finish()
		s := r.p.Stats()
		if hung < 8 {
			t.Fatalf("%d requests hung: too few to tell", hung)
		}
		if got := r.gaps(); got > 0 || s.Lost.Load() > 0 {
			t.Errorf("%d gaps and %d lost segments, want none: each request that hung could be joined", got, s.Lost.Load())
		}
		if got := s.HedgeWins.Load(); got != uint64(hung) {
			t.Errorf("%d second requests won, want the %d whose first hung", got, hung)
		}
		if got, most := asked.n, len(asked.objects)*11/10+8; got > most {
			t.Errorf("%d requests for %d objects, want at most %d", got, len(asked.objects), most)
		}
		if got := s.InFlight.Load(); got != 0 {
			t.Errorf("%d requests are under way after the end", got)
		}
	})
}

// of is how often an object was asked for.
func (r *requests) of(key string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.objects[key]
}

func TestStore_FaultsAndWhatBecomesOfThem(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		script func(began time.Time, asked *requests) func(ctx context.Context, key string) error
		gaps   int // of both renditions, at most
		lost   uint64
		extra  int // requests beyond one for each object, in a hundred
	}{
		{
			"slow, but quick enough for a part", func(_ time.Time, asked *requests) func(context.Context, string) error {
				return func(ctx context.Context, key string) error {
					asked.next(key)
					return slow(ctx, 900*time.Millisecond)
				}
			}, 0, 0, 12,
		},
		{
			"becomes slow in mid-stream", func(began time.Time, asked *requests) func(context.Context, string) error {
				return func(ctx context.Context, key string) error {
					asked.next(key)
					if time.Since(began) < 30*time.Second {
						return slow(ctx, usual)
					}
					return slow(ctx, 900*time.Millisecond)
				}
			}, 0, 0, 12,
		},
		{
			"fails one in twenty", func(_ time.Time, asked *requests) func(context.Context, string) error {
				return func(ctx context.Context, key string) error {
					n := asked.next(key)
					if err := slow(ctx, usual); err != nil {
						return err
					}
					if n%20 == 7 {
						return errStore
					}
					return nil
				}
			}, 0, 0, 8,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := avRig(t, nil)
				var asked requests
				r.store.during(tt.script(r.began, &asked))
				r.live(0, 90)
				r.finish()
				if got := r.gaps(); got > tt.gaps {
					t.Errorf("%d gaps, want %d", got, tt.gaps)
				}
				if got := r.p.Stats().Lost.Load(); got != tt.lost {
					t.Errorf("%d segments are lost, want %d", got, tt.lost)
				}
				if most := len(asked.objects) * (100 + tt.extra) / 100; asked.n > most {
					t.Errorf("%d requests for %d objects, want at most %d", asked.n, len(asked.objects), most)
				}
			})
		})
	}
}

func TestStore_AwayForAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const from, to = 20 * time.Second, 80 * time.Second
		r := avRig(t, nil)
		var asked requests
		r.store.during(func(ctx context.Context, key string) error {
			asked.next(key)
			if at := time.Since(r.began); at >= from && at < to {
				return slowly(ctx, errStore)
			}
			return slow(ctx, usual)
		})
		r.live(0, 120)
		r.finish()
		for i := range 2 {
			parts, gaps := r.parts(i)
			for _, p := range parts {
				end := p.Start + p.Duration
				// A part is tried for three part targets; back-off may make it miss the first second.
				away := end > from+100*time.Millisecond
				back := end < from-100*time.Millisecond || end > to+2*time.Second
				if away && end < to-3*partTarget && !gaps[p.Number] {
					t.Errorf("part %d of rendition %d, closed at %v, is no gap", p.Number, i, end)
				}
				if back && gaps[p.Number] {
					t.Errorf("part %d of rendition %d, closed at %v, is a gap", p.Number, i, end)
				}
			}
		}
		s := r.p.Stats()
		if got, want := s.LateGaps.Load(), uint64(r.gaps()); got != want || got < 2*170 {
			t.Errorf("%d late gaps are counted, want %d, those of a minute", got, want)
		}
		if got := s.Lost.Load(); got == 0 || got > 60 {
			t.Errorf("%d segments are lost, want those of a minute at most", got)
		}
		if got := s.Hedges.Load(); got > 10 {
			t.Errorf("%d second requests were sent to a store that failed", got)
		}
	})
}

// slowly is err, after what a request usually takes.
func slowly(ctx context.Context, err error) error {
	if ended := slow(ctx, usual); ended != nil {
		return ended
	}
	return err
}

func TestStore_HangingForOneRenditionOnlyLeavesTheOthersAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := avRig(t, nil)
		var asked requests
		r.store.during(func(ctx context.Context, key string) error {
			asked.next(key)
			if at := time.Since(r.began); strings.Contains(key, "/source/") && at > 10*time.Second && at < 30*time.Second {
				return hang(ctx)
			}
			return slow(ctx, usual)
		})
		var late time.Duration // how far announcements of audio lag behind
		r.mu.Lock()
		r.heard = func(e hls.Event) {
			if p, ok := e.(hls.Part); ok && p.Rendition == 1 {
				late = max(late, time.Since(r.began)-(p.Start+p.Duration))
			}
		}
		r.mu.Unlock()
		r.live(0, 60)
		r.finish()
		if _, gaps := r.parts(1); len(gaps) > 0 {
			t.Errorf("audio has gaps %v", gaps)
		}
		if late > 400*time.Millisecond {
			t.Errorf("audio was announced up to %v late", late)
		}
		if _, gaps := r.parts(0); len(gaps) < 55 || len(gaps) > 66 {
			t.Errorf("the source has %d gaps, want those of 20 s", len(gaps))
		}
	})
}
