package packager_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pharos-live/pharos/internal/hls"
	"github.com/pharos-live/pharos/runner/packager"
)

var errStore = errors.New("store is away")

// avRig is a rig with a source and audio.
func avRig(t *testing.T, change func(*packager.Config, *packager.Options)) *rig {
	t.Helper()
	return newRig(t, packager.Tracks{Source: sourceVideo(), ListSource: true, Audio: &packager.Audio{Config: stereo48k}}, nil, change)
}

// live feeds a source and audio from one time to another, in seconds.
func (r *rig) live(from, to int64) {
	r.t.Helper()
	within := func(in input) bool { return in.at < from*1000 || in.at >= to*1000 }
	end := time.Duration(to) * time.Second
	r.feed(slices.DeleteFunc(r.video(steady(30, 2*time.Second, end)), within),
		slices.DeleteFunc(r.sound(48_000, 0, to*1000), within))
}

func TestUpload_PartIsAnnouncedOnlyOnceDurable(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := avRig(t, nil)
		r.store.during(func(ctx context.Context, _ string) error { return slow(ctx, 200*time.Millisecond) })
		r.live(0, 1)
		// At 300 ms the first part was closed; the init section takes as long, and began before.
		parts, _ := r.parts(0)
		if len(parts) != 2 {
			t.Errorf("%d parts are announced at 1 s, want the two closed at 300 and 633 ms", len(parts))
		}
		for _, p := range parts {
			if !has(r, hls.PartKey("b", "source", p.Number, 7)) {
				t.Errorf("part %d is announced before it is durable", p.Number)
			}
			if !has(r, hls.InitKey("b", "source", p.Init)) {
				t.Errorf("part %d is announced before its init section is durable", p.Number)
			}
		}
		r.finish()
	})
}

func TestUpload_PartBecomesAGapAfterThreePartTargets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := avRig(t, nil)
		var ended atomic.Int64 // two requests may be under way
		began := time.Now()
		r.store.during(func(ctx context.Context, key string) error {
			if key == hls.PartKey("b", "source", 1, 7) {
				err := hang(ctx)
				ended.Store(int64(time.Since(began)))
				return err
			}
			return nil
		})
		r.live(0, 5)
		r.finish()
		parts, gaps := r.parts(0)
		if len(gaps) != 1 || !gaps[1] {
			t.Errorf("gaps are %v, want part 1 alone", gaps)
		}
		if len(parts) < 15 {
			t.Errorf("%d parts, want all 15", len(parts))
		}
		// It was closed by its last frame, the 20th, at 633 ms.
		if want := 633*time.Millisecond + 3*partTarget; time.Duration(ended.Load()) != want {
			t.Errorf("its upload was cancelled at %v, want %v", time.Duration(ended.Load()), want)
		}
		if got := r.p.Stats().LateGaps.Load(); got != 1 {
			t.Errorf("%d late gaps are counted, want 1", got)
		}
		// The object of its segment has its bytes all the same.
		body, _ := r.store.get(hls.SegmentKey("b", "source", 0, 7))
		if got := len(parse(t, body)); got != 60 {
			t.Errorf("the segment has %d frames, want 60", got)
		}
		if _, gaps := r.parts(1); len(gaps) > 0 {
			t.Errorf("audio has gaps %v", gaps)
		}
	})
}

func TestUpload_FailuresAreTriedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := avRig(t, nil)
		tries := map[string]int{}
		r.store.during(func(_ context.Context, key string) error {
			r.mu.Lock()
			defer r.mu.Unlock()
			if tries[key]++; tries[key] <= 2 {
				return errStore
			}
			return nil
		})
		r.live(0, 3)
		r.finish()
		for i := range 2 {
			if _, gaps := r.parts(i); len(gaps) > 0 {
				t.Errorf("rendition %d has gaps %v, want none", i, gaps)
			}
		}
		if got, want := r.p.Stats().Retries.Load(), uint64(2*len(r.store.keys())); got != want {
			t.Errorf("%d retries are counted, want %d", got, want)
		}
	})
}

func TestUpload_ARenditionThatHangsHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := avRig(t, nil)
		r.store.during(func(ctx context.Context, key string) error {
			if strings.Contains(key, "/source/") {
				return hang(ctx)
			}
			return nil
		})
		r.live(0, 10)
		synctest.Wait()
		if parts, gaps := r.parts(1); len(parts) < 28 || len(gaps) > 0 {
			t.Errorf("audio has %d parts and gaps %v at 10 s, want 29 and none", len(parts), gaps)
		}
		parts, gaps := r.parts(0)
		if len(gaps) != len(parts) || len(parts) < 25 {
			t.Errorf("of %d parts of the source %d are gaps, want all of 26", len(parts), len(gaps))
		}
		r.store.mu.Lock()
		if got := r.store.most["source"]; got > 9 {
			t.Errorf("%d uploads of the source were under way at once, want at most 6 parts, 2 segments and an init section", got)
		}
		r.store.mu.Unlock()
		r.stop()
	})
}

func TestUpload_UploadsOverlapAndAnnouncementsKeepOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := avRig(t, nil)
		n := 0
		r.store.during(func(ctx context.Context, key string) error {
			r.mu.Lock()
			n++
			d := time.Duration(n*37%5) * 200 * time.Millisecond // later ones often come first
			r.mu.Unlock()
			return slow(ctx, d)
		})
		r.live(0, 9)
		r.finish() // the model refuses what is out of order
		if got := r.store.most["source"]; got < 2 {
			t.Errorf("at most %d uploads were under way at once, want some overlap", got)
		}
		if _, gaps := r.parts(0); len(gaps) > 0 {
			t.Errorf("gaps are %v, want none: nothing took more than 800 ms", gaps)
		}
	})
}

func TestUpload_InitSectionComesBeforeItsParts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := avRig(t, nil)
		r.store.during(func(ctx context.Context, key string) error {
			if strings.Contains(key, "source/init-") {
				return slow(ctx, 3*time.Second)
			}
			return nil
		})
		r.live(0, 5)
		r.finish()
		_, gaps := r.parts(0)
		for number := range uint64(15) {
			// Closed at 300, 633, … ms, and not playable before 3 s.
			closed := 300 + 333*int64(number)
			if got, want := gaps[number], closed+1049 < 3000; got != want {
				t.Errorf("part %d, closed at %d ms: gap is %v, want %v", number, closed, got, want)
			}
		}
	})
}

func TestUpload_SegmentIsTriedForFourTargetDurations(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		back time.Duration // when the store takes segments again
		lost bool
	}{{15 * time.Second, false}, {25 * time.Second, true}} {
		t.Run(fmt.Sprintf("the store is back after %v", c.back), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := avRig(t, nil)
				r.store.during(func(_ context.Context, key string) error {
					if strings.Contains(key, "source/s0.") && time.Since(r.began) < c.back {
						return errStore
					}
					return nil
				})
				r.live(0, 5)
				r.at(30 * time.Second)
				r.finish()
				var objects []uint64
				for _, e := range r.of(0) {
					if o, ok := e.(hls.Object); ok {
						objects = append(objects, o.MSN)
					}
				}
				want := []uint64{0, 1, 2}
				if c.lost {
					want = want[1:]
				}
				if !slices.Equal(objects, want) {
					t.Errorf("objects are announced of segments %v, want %v", objects, want)
				}
				for _, s := range r.older {
					if got, want := s.Gap, c.lost && s.Rendition == 0 && s.MSN == 0; got != want {
						t.Errorf("segment %d of rendition %d: gap is %v, want %v", s.MSN, s.Rendition, got, want)
					}
				}
			})
		})
	}
}

func TestUpload_OlderSegmentsAreRecordedInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := avRig(t, nil)
		r.store.during(func(ctx context.Context, key string) error {
			if strings.Contains(key, "source/s1.") {
				return slow(ctx, 5*time.Second)
			}
			return nil
		})
		r.live(0, 9)
		r.finish()
		next := map[int]uint64{}
		var ends [2]time.Duration
		for _, s := range r.older {
			if s.MSN != next[s.Rendition] || s.Rendition == 0 && s.Start != ends[0] {
				t.Errorf("segment %d of rendition %d at %v is recorded, want %d at %v", s.MSN, s.Rendition, s.Start, next[s.Rendition], ends[s.Rendition])
			}
			ends[s.Rendition] = s.Start + s.Duration
			next[s.Rendition]++
			if s.Size == 0 || s.Init == "" || s.Term != 7 {
				t.Errorf("record is incomplete: %+v", s)
			}
		}
		if next[0] != 5 || next[1] != 5 {
			t.Errorf("%v segments are recorded, want 5 of each", next)
		}
		fresh := hls.NewBroadcast("b") // reads the list alone
		take := hls.Take{Renditions: r.p.Renditions(), TargetDuration: 4 * time.Second, PartTarget: partTarget, Window: time.Minute}
		events := []hls.Event{take}
		for _, s := range r.older {
			events = append(events, s)
		}
		if err := fresh.Apply(events...); err != nil {
			t.Errorf("a reader cannot begin with the list: %v", err)
		}
	})
}

func TestUpload_BacklogOfSegmentsIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := avRig(t, func(c *packager.Config, _ *packager.Options) {
			c.Segment, c.TargetDuration = time.Second, 4*time.Second
		})
		r.store.during(func(ctx context.Context, key string) error {
			if strings.Contains(key, "source/s") {
				return hang(ctx)
			}
			return nil
		})
		r.feed(r.video(steady(30, time.Second, 14*time.Second)))
		synctest.Wait()
		// 13 are closed; 2 are being uploaded, 6 wait: the other 5 were given up.
		if got := r.p.Stats().Lost.Load(); got != 5 {
			t.Errorf("%d segments are lost, want 5", got)
		}
		r.stop()
	})
}

func TestUpload_BacklogOfPartsIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := avRig(t, nil)
		r.store.during(func(ctx context.Context, key string) error {
			if strings.Contains(key, "/source/p") {
				return hang(ctx)
			}
			return nil
		})
		for _, in := range r.video(steady(30, 2*time.Second, 60*time.Second)) { // all at once
			if err := in.feed(); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if time.Since(r.began) != 0 {
			t.Fatal("time has passed")
		}
		// What hangs is joined by a second request, once, and then what waits is uploaded in time: 128 parts,
		// and those under way. All others are gaps.
		r.store.during(nil)
		time.Sleep(10 * time.Second)
		if parts, gaps := r.parts(0); len(parts) < 179 || len(gaps) < 40 || len(gaps) > 60 {
			t.Errorf("%d parts, %d of them gaps, want 180, and those that found no room gaps", len(parts), len(gaps))
		}
		r.stop()
	})
}
