package hls_test

import (
	"context"
	"errors"
	"math"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pharos-live/pharos/internal/hls"
)

// asked is a request under way in a bubble.
type asked struct {
	done     atomic.Bool
	playlist *hls.Playlist
	key      string
	parts    []string
	err      error
	took     time.Duration
}

// ask runs f in the background.
func ask(f func(a *asked)) *asked {
	a := new(asked)
	start := time.Now()
	go func() {
		f(a)
		a.took = time.Since(start)
		a.done.Store(true)
	}()
	synctest.Wait()
	return a
}

func askMedia(ctx context.Context, b *hls.Broadcast, rendition string, d hls.Directives) *asked {
	return ask(func(a *asked) { a.playlist, a.err = b.Media(ctx, rendition, d) })
}

// answered waits until nothing moves, and says whether a has its answer.
func (a *asked) answered() bool {
	synctest.Wait()
	return a.done.Load()
}

// TestMedia_Reload is section 6 of the research: at which event a request is
// answered. The broadcast has segments 0 and 1 of 6 parts, and 2.0 and 2.1.
func TestMedia_Reload(t *testing.T) {
	t.Parallel()
	const (
		atOnce = iota // answered as it comes
		atPart        // by part 2.2
		atLast        // by part 2.3, with which segment 2 ends
		atEnd         // by Close of segment 2
		atNext        // by part 3.0
		atNew         // by Close of segment 3, of one part
		never
		refused
	)
	const limit = 8 // 3 s / 350 ms, rounded down
	tests := []struct {
		name string
		d    hls.Directives
		want int
	}{
		{"reload.same", hls.Directives{}, atOnce},
		{"reload.past", msn(0), atOnce},
		{"reload.past: with a part that it never had", partOf(0, 500), atOnce},
		{"reload.msn-only: complete", msn(1), atOnce},
		{"reload.msn-only: open", msn(2), atEnd},
		{"reload.blocks: there", partOf(2, 1), atOnce},
		{"reload.blocks: next", partOf(2, 2), atPart},
		{"reload.blocks: later", partOf(2, 3), atLast},
		{"reload.rollover: of a complete segment", partOf(1, 6), atOnce},
		{"reload.rollover: of the open segment", partOf(2, 4), atNext},
		{"reload.rollover: far into the open segment", partOf(2, 1+limit), atNext},
		{"reload.near-msn: the last complete plus two", msn(3), atNew},
		{"reload.near-msn: with a part", partOf(3, 0), atNext},
		{"reload.far-part", partOf(2, 2+limit), refused},
		{"reload.far-part: of the next segment", partOf(3, limit), refused},
		{"reload.near-part: of the next segment", partOf(3, limit-1), never},
		{"reload.far-msn", msn(4), refused},
		{"reload.far-msn: with a part", partOf(4, 0), refused},
		{"reload.garbage: as far as can be", partOf(math.MaxUint64, math.MaxUint64), refused},
		{"reload.garbage: part", partOf(2, math.MaxUint64), refused},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, w := begun(t, takeOf(source))
				apply(t, b, append(w[0].segments(2), w[0].part(), w[0].part())...)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				a := askMedia(ctx, b, "source", tt.d)
				got := atOnce
				for _, event := range []func() hls.Event{
					func() hls.Event { return w[0].part() },
					func() hls.Event { return w[0].part() },
					func() hls.Event { return w[0].close() },
					func() hls.Event { return w[0].part() },
					func() hls.Event { return w[0].close() },
				} {
					if a.answered() {
						break
					}
					apply(t, b, event())
					got++
				}
				if !a.answered() {
					got = never
				} else if bad := new(hls.BadRequestError); errors.As(a.err, &bad) {
					got = refused
				} else if a.err != nil {
					t.Fatal(a.err)
				}
				if got != tt.want {
					t.Errorf("got %d, want %d", got, tt.want)
				}
			})
		})
	}
}

func TestMedia_WaitsForTakeAndFirstSegment(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, w := hls.NewBroadcast(broadcast), newWriter(0)
		plain := askMedia(t.Context(), b, "source", hls.Directives{})
		first := askMedia(t.Context(), b, "source", partOf(0, 0))
		unknown := askMedia(t.Context(), b, "4k", hls.Directives{})
		apply(t, b, takeOf(source))
		if !unknown.answered() || !errors.Is(unknown.err, hls.ErrNotFound) {
			t.Errorf("unknown rendition: got %v, want ErrNotFound", unknown.err)
		}
		apply(t, b, w.part())
		if plain.answered() || first.answered() {
			t.Error("a playlist without a complete segment was given out")
		}
		apply(t, b, w.close())
		if !plain.answered() || !first.answered() || plain.err != nil || plain.playlist != first.playlist {
			t.Errorf("got %v, %v after the first segment", plain.err, first.err)
		}
	})
}

func TestMedia_WaitsForEveryReport(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, w := begun(t, takeOf(source, sound))
		apply(t, b, w[0].segments(2)...)
		a := askMedia(t.Context(), b, "source", hls.Directives{})
		if a.answered() {
			t.Error("a playlist without a report of the audio was given out")
		}
		apply(t, b, w[1].part())
		if !a.answered() || a.err != nil {
			t.Fatalf("got %v", a.err)
		}
		if got := read(t, a.playlist); len(got.reports) != 1 {
			t.Errorf("got\n%s", got.text)
		}
	})
}

func TestMedia_PassesTheCause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, w := begun(t, takeOf(source))
		apply(t, b, w[0].segments(1)...)
		tooLong := errors.New("three target durations")
		ctx, cancel := context.WithTimeoutCause(t.Context(), 3*b.TargetDuration(), tooLong)
		defer cancel()
		a := askMedia(ctx, b, "source", msn(1))
		time.Sleep(12 * time.Second)
		if !a.answered() || !errors.Is(a.err, tooLong) || a.took != 12*time.Second {
			t.Errorf("got %v after %v, want the cause after 12s", a.err, a.took)
		}
		for name, f := range map[string]func() error{
			"Multivariant": func() error { _, err := hls.NewBroadcast("x").Multivariant(ctx); return err },
			"Media":        func() error { _, err := hls.NewBroadcast("x").Media(ctx, "source", msn(1)); return err },
			"Part":         func() error { _, err := b.Part(ctx, "source", 6); return err },
			"Segment":      func() error { _, _, err := hls.NewBroadcast("x").Segment(ctx, "source", 6); return err },
		} {
			if err := f(); !errors.Is(err, tooLong) {
				t.Errorf("%s: got %v, want the cause", name, err)
			}
		}
	})
}

// TestMedia_OneStep holds that a batch is seen whole: whoever waited for its
// first part gets its Close too, and the other rendition's part.
func TestMedia_OneStep(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, w := begun(t, takeOf(source, sound))
		apply(t, b, append(w[0].segments(1), w[1].segments(1)...)...)
		a := askMedia(t.Context(), b, "source", partOf(1, 0))
		apply(t, b, w[0].part(), w[0].close(), w[0].part(), w[1].part())
		if !a.answered() {
			t.Fatal("not answered")
		}
		got := read(t, a.playlist)
		if got.last() != (hls.Position{MSN: 2, Part: 0}) || got.reports["../audio/index.m3u8"] != (hls.Position{MSN: 1, Part: 0}) {
			t.Errorf("got half a batch:\n%s", got.text)
		}
	})
}

func TestMedia_EndReleasesEveryone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, w := begun(t, takeOf(source, sound))
		apply(t, b, append(w[0].segments(1), w[1].segments(1)...)...)
		waiting := []*asked{
			askMedia(t.Context(), b, "source", msn(1)), askMedia(t.Context(), b, "audio", partOf(1, 0)),
			askMedia(t.Context(), b, "audio", msn(2)),
		}
		hinted := ask(func(a *asked) { a.key, a.err = b.Part(t.Context(), "source", 6) })
		apply(t, b, hls.End{})
		for i, a := range waiting {
			if !a.answered() || a.err != nil || !a.playlist.Ended {
				t.Errorf("waiter %d: %v", i, a.err)
			}
		}
		if !hinted.answered() || !errors.Is(hinted.err, hls.ErrNotFound) {
			t.Errorf("hinted part: got %q, %v, want ErrNotFound", hinted.key, hinted.err)
		}
	})
}

// TestMedia_TenThousandWaiters wakes a crowd, half of whom have left, and finds
// one playlist in all hands. A goroutine that stayed would fail the bubble.
func TestMedia_TenThousandWaiters(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, w := begun(t, takeOf(source, sound))
		apply(t, b, append(w[0].segments(20), w[1].segments(20)...)...)
		leaving, leave := context.WithCancel(t.Context())
		const crowd = 10_000
		playlists := make([]*hls.Playlist, crowd)
		errs := make([]error, crowd)
		for i := range crowd {
			ctx := t.Context()
			if i%2 == 1 {
				ctx = leaving
			}
			go func() { playlists[i], errs[i] = b.Media(ctx, "source", partOf(20, 0)) }()
		}
		synctest.Wait()
		leave()
		synctest.Wait()
		for i := range crowd {
			if left := i%2 == 1; playlists[i] != nil || left != errors.Is(errs[i], context.Canceled) {
				t.Fatalf("waiter %d: %v", i, errs[i])
			}
		}
		apply(t, b, w[1].part()) // is nobody's
		synctest.Wait()
		apply(t, b, w[0].part())
		synctest.Wait()
		for i := 0; i < crowd; i += 2 {
			if playlists[i] == nil || playlists[i] != playlists[0] {
				t.Fatalf("waiter %d got %p, want %p (%v)", i, playlists[i], playlists[0], errs[i])
			}
		}
	})
}
