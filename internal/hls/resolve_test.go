package hls_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pharos-live/pharos/internal/hls"
)

func TestPart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, w := begun(t, takeOf(source))
		askPart := func(n uint64) *asked {
			return ask(func(a *asked) { a.key, a.err = b.Part(t.Context(), "source", n) })
		}
		first := askPart(0) // hinted by the take
		apply(t, b, w[0].segments(1)...)
		if !first.answered() || first.key != "01JD/source/p0.7.m4s" {
			t.Errorf("got %q, %v", first.key, first.err)
		}
		hinted, after, far := askPart(6), askPart(7), askPart(8)
		if hinted.answered() || after.answered() {
			t.Errorf("hint.blocks: got %q, %q before they are there", hinted.key, after.key)
		}
		if !far.answered() || !errors.Is(far.err, hls.ErrNotFound) {
			t.Errorf("hint.404: got %q, %v, want ErrNotFound at once", far.key, far.err)
		}
		w[0].term = 8
		apply(t, b, w[0].part())
		if !hinted.answered() || hinted.key != "01JD/source/p6.8.m4s" || after.answered() {
			t.Errorf("got %q, %v", hinted.key, hinted.err)
		}
		apply(t, b, w[0].gap())
		if !after.answered() || !errors.Is(after.err, hls.ErrNotFound) {
			t.Errorf("a gap: got %q, %v, want ErrNotFound", after.key, after.err)
		}
		if _, err := b.Part(t.Context(), "4k", 0); !errors.Is(err, hls.ErrNotFound) {
			t.Errorf("unknown rendition: got %v, want ErrNotFound", err)
		}
	})
}

func TestSegment(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, w := begun(t, takeOf(source))
		apply(t, b, w[0].segments(1)...)
		apply(t, b, w[0].part(), w[0].gap(), w[0].part())
		askSegment := func(n uint64) *asked {
			return ask(func(a *asked) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				a.key, a.parts, a.err = b.Segment(ctx, "source", n)
			})
		}
		if a := askSegment(0); !a.answered() || a.key != "01JD/source/s0.7.m4s" {
			t.Errorf("durable: got %q, %v", a.key, a.err)
		}
		for _, n := range []uint64{1, 2, 1 << 63} {
			if a := askSegment(n); !a.answered() || !errors.Is(a.err, hls.ErrNotFound) {
				t.Errorf("segment %d: got %q, %v, want ErrNotFound at once", n, a.key, a.err)
			}
		}
		apply(t, b, w[0].close())
		patient := askSegment(1)
		apply(t, b, w[0].part()) // is no object
		time.Sleep(500 * time.Millisecond)
		if patient.answered() {
			t.Errorf("got %q, %q before its object", patient.key, patient.parts)
		}
		time.Sleep(500 * time.Millisecond)
		want := []string{"01JD/source/p6.7.m4s", "01JD/source/p8.7.m4s"}
		if !patient.answered() || patient.key != "" || patient.err != nil {
			t.Errorf("got %q, %v, want its parts", patient.key, patient.err)
		}
		if diff := cmp.Diff(want, patient.parts); diff != "" {
			t.Errorf("parts (-want +got):\n%s", diff)
		}
		lucky := askSegment(1)
		time.Sleep(500 * time.Millisecond)
		apply(t, b, hls.Object{MSN: 1, Term: 9})
		if !lucky.answered() || lucky.key != "01JD/source/s1.9.m4s" || lucky.took != 500*time.Millisecond {
			t.Errorf("got %q, %v after %v", lucky.key, lucky.err, lucky.took)
		}
		apply(t, b, w[0].close(), w[0].gap(), w[0].close())
		if a := askSegment(3); !a.answered() || !errors.Is(a.err, hls.ErrNotFound) {
			t.Errorf("all gap: got %q, %v, want ErrNotFound at once", a.key, a.err)
		}
	})
}

// TestSegment_AfterEnd holds that a segment which nobody closed is to be had.
func TestSegment_AfterEnd(t *testing.T) {
	t.Parallel()
	b, w := begun(t, takeOf(source))
	apply(t, b, w[0].part(), hls.End{})
	_, parts, err := b.Segment(now(), "source", 0)
	if diff := cmp.Diff([]string{"01JD/source/p0.7.m4s"}, parts); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	late := w[0].close()
	apply(t, b, w[0].stored())
	apply(t, b, late) // is known
	if key, _, err := b.Segment(now(), "source", 0); key != "01JD/source/s0.7.m4s" || err != nil {
		t.Errorf("got %q, %v", key, err)
	}
}

func TestInit(t *testing.T) {
	t.Parallel()
	b, w := begun(t, sliding(takeOf(source), 12*time.Second))
	if _, err := b.Init("source", "aa"); !errors.Is(err, hls.ErrNotFound) {
		t.Errorf("before its first part: got %v, want ErrNotFound", err)
	}
	apply(t, b, w[0].part())
	w[0].init = "bb"
	apply(t, b, w[0].close(), w[0].part())
	for _, hash := range []string{"aa", "bb"} {
		if key, err := b.Init("source", hash); key != "01JD/source/init-"+hash+".mp4" || err != nil {
			t.Errorf("got %q, %v", key, err)
		}
	}
	apply(t, b, w[0].close())
	for range 50 {
		apply(t, b, w[0].segments(1)...)
	}
	if _, err := b.Init("source", "aa"); !errors.Is(err, hls.ErrNotFound) {
		t.Errorf("long gone: got %v, want ErrNotFound", err)
	}
	if _, err := b.Init("source", "bb"); err != nil {
		t.Errorf("in force: %v", err)
	}
	if _, err := b.Init("4k", "bb"); !errors.Is(err, hls.ErrNotFound) {
		t.Errorf("unknown rendition: got %v, want ErrNotFound", err)
	}
}

// TestAvailability measures, in segments of 2 s, how long what has left the
// playlist is to be had.
func TestAvailability(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		durable bool
		what    func(b *hls.Broadcast) error
		left    int // segments after which it is no more listed
		gone    int // segments after which it is no more resolvable
	}{
		// The window is 20 s. Segment 0 leaves when its end is 20 s behind, after 11
		// segments; the longest playlist was then 22 s, and segment 0 lasted 2 s.
		{"seg.after", true, segmentZero, 11, 11 + 11 + 1},
		// Its parts leave 12 s behind the edge, and stay 12 s more.
		{"part.after", true, partZero, 7, 7 + 6},
		// Without an object they stay as long as it does.
		{"part.after: no object", false, partZero, 7, 11 + 11 + 1},
		{"seg.after: no object", false, segmentZero, 11, 11 + 11 + 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b, w := begun(t, sliding(takeOf(source), 20*time.Second))
			for n := 1; n <= 40; n++ {
				events := w[0].segments(1)
				if !tt.durable && n == 1 {
					events = events[:len(events)-1]
				}
				apply(t, b, events...)
				r := media(t, b, "source", hls.Directives{})
				if isListed := r.mediaSequence == 0; tt.left == 11 && isListed != (n < tt.left) {
					t.Errorf("after %d segments listed is %v", n, isListed)
				}
				if err := tt.what(b); (err == nil) != (n < tt.gone) {
					t.Errorf("after %d segments got %v, want it gone after %d", n, err, tt.gone)
				}
			}
		})
	}
}

func segmentZero(b *hls.Broadcast) error {
	_, _, err := b.Segment(now(), "source", 0)
	return err
}

func partZero(b *hls.Broadcast) error {
	_, err := b.Part(now(), "source", 5)
	return err
}
