package hls_test

import (
	"errors"
	"testing"
	"time"

	"github.com/pharos-live/pharos/internal/hls"
)

// TestDiscontinuitySequence_IsCarried joins late, when nothing that is left of the
// broadcast shows how many discontinuities there were.
func TestDiscontinuitySequence_IsCarried(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		event hls.Event
		want  uint64
		shown bool
	}{
		{"by a part", hls.Part{Number: 900, MSN: 100, Duration: length, Init: "aa", DiscontinuitySequence: 5}, 5, false},
		{"by a part whose tag is shown", hls.Part{Number: 900, MSN: 100, Duration: length, Init: "aa", Discontinuity: true, DiscontinuitySequence: 5}, 4, true},
		{"by a gap", hls.Gap{Number: 900, MSN: 100, Duration: length, Init: "aa", DiscontinuitySequence: 7}, 7, false},
		{"by the list", hls.Segment{MSN: 100, Duration: length, Init: "aa", DiscontinuitySequence: 6}, 6, false},
		{"by the list, with the tag", hls.Segment{MSN: 100, Duration: length, Init: "aa", Discontinuity: true, DiscontinuitySequence: 6}, 5, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := hls.NewBroadcast(broadcast)
			apply(t, b, takeOf(source), tt.event)
			if _, listed := tt.event.(hls.Segment); !listed {
				apply(t, b, hls.Close{MSN: 100, Duration: length})
			}
			got := media(t, b, "source", hls.Directives{})
			if got.discontinuities != tt.want || got.segments[0].disc != tt.shown {
				t.Errorf("got %d, tag %v; want %d, %v:\n%s", got.discontinuities, got.segments[0].disc, tt.want, tt.shown, got.text)
			}
		})
	}
}

// TestDiscontinuitySequence_DoesNotGoBack continues a segment of the third
// discontinuity.
func TestDiscontinuitySequence_DoesNotGoBack(t *testing.T) {
	t.Parallel()
	part := func(number, msn, sequence uint64, begins bool) hls.Part {
		return hls.Part{
			Number: number, MSN: msn, Start: time.Duration(number) * time.Second, Duration: time.Second,
			Discontinuity: begins, DiscontinuitySequence: sequence,
		}
	}
	closed := hls.Close{MSN: 0, Duration: time.Second}
	for _, tt := range []struct {
		name   string
		events []hls.Event
		ok     bool
	}{
		{"the same in a segment", []hls.Event{part(1, 0, 3, true)}, true},
		{"the same in the next segment", []hls.Event{closed, part(1, 1, 3, false)}, true},
		{"one more with the tag", []hls.Event{closed, part(1, 1, 4, true)}, true},
		{"two more, one of which was not seen", []hls.Event{closed, part(1, 1, 5, true)}, true},
		{"back in a segment", []hls.Event{part(1, 0, 2, true)}, false},
		{"back in the next segment", []hls.Event{closed, part(1, 1, 2, false)}, false},
		{"not counted", []hls.Event{closed, part(1, 1, 3, true)}, false},
		{"a gap goes back", []hls.Event{closed, hls.Gap(part(1, 1, 2, false))}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := hls.NewBroadcast(broadcast)
			apply(t, b, takeOf(source), part(0, 0, 3, true))
			if err := b.Apply(tt.events...); errors.Is(err, hls.ErrOrder) == tt.ok || tt.ok && err != nil {
				t.Errorf("got %v", err)
			}
		})
	}
	for name, list := range map[string][]hls.Event{
		"a list that goes back":      {hls.Segment{MSN: 5, Duration: 1, DiscontinuitySequence: 2}, hls.Segment{MSN: 6, Duration: 1, DiscontinuitySequence: 1}},
		"a list that does not count": {hls.Segment{MSN: 5, Duration: 1, DiscontinuitySequence: 2}, hls.Segment{MSN: 6, Duration: 1, Discontinuity: true, DiscontinuitySequence: 2}},
		"a stream behind its list":   {hls.Segment{MSN: 5, Duration: 1, DiscontinuitySequence: 2}, part(9, 6, 1, false)},
		"the first one not counted":  {part(0, 0, 0, true)},
	} {
		b := hls.NewBroadcast(broadcast)
		apply(t, b, takeOf(source))
		if err := b.Apply(list...); !errors.Is(err, hls.ErrOrder) {
			t.Errorf("%s: got %v, want ErrOrder", name, err)
		}
	}
}

// TestDiscontinuitySequence_StreamLagsBehindTheList applies parts whose segments
// stand in the list already, and whose numbers are older than its last.
func TestDiscontinuitySequence_StreamLagsBehindTheList(t *testing.T) {
	t.Parallel()
	b, w := begun(t, takeOf(source))
	var stream []hls.Event
	for n := range 4 {
		w[0].disc = n%2 == 1
		stream = append(stream, w[0].segments(1)...)
	}
	list := snapshot(takeOf(source), stream, 0)
	apply(t, b, append(list, stream...)...)
	if got := media(t, b, "source", hls.Directives{}); got.discontinuities != 0 || len(got.segments) != 4 {
		t.Errorf("got\n%s", got.text)
	}
}
