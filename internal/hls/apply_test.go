package hls_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pharos-live/pharos/internal/hls"
)

// TestApply_Refuses gives a broadcast with segment 0 and parts 6 and 7 of segment
// 1 what cannot follow, behind something that can: none of it may be done.
func TestApply_Refuses(t *testing.T) {
	t.Parallel()
	part := func(number, msn uint64) hls.Part {
		return hls.Part{Number: number, MSN: msn, Start: 3 * time.Second, Duration: time.Millisecond}
	}
	take := takeOf(source, sound)
	with := func(change func(t *hls.Take)) hls.Take {
		t := takeOf(source, sound)
		change(&t)
		return t
	}
	tests := []struct {
		name  string
		event hls.Event
		want  string
		order bool
	}{
		{"part left out", part(10, 1), "apply part 10 of source: events out of order: part 9 is next", true},
		{"gap left out", hls.Gap(part(10, 1)), "apply gap 10 of source: events out of order: part 9 is next", true},
		{"part of a segment that is not open", part(9, 2), "apply part 9 of source: events out of order: it is of segment 2, the next part is of segment 1", true},
		{"close of a segment that is not open", hls.Close{MSN: 2, Duration: 1}, "apply close of segment 2 of source: events out of order: segment 1 is next to be closed, after its parts", true},
		{"close without parts", hls.Close{Rendition: 1, MSN: 1, Duration: 1}, "apply close of segment 1 of audio: events out of order: segment 1 is next to be closed, after its parts", true},
		{"object of the open segment", hls.Object{MSN: 1}, "apply object of segment 1 of source: events out of order: segment 1 is still open", true},
		{"list after the stream", hls.Segment{MSN: 1, Duration: 1}, "apply segment 1 of source: events out of order: the stream, at segment 1, came before it", true},
		{"part without a duration", hls.Part{Number: 9, MSN: 1}, "apply part 9 of source: duration 0s", false},
		{"close without a duration", hls.Close{MSN: 1}, "apply close of segment 1 of source: duration 0s", false},
		{"segment without a duration", hls.Segment{MSN: 0}, "apply segment 0 of source: duration 0s", false},
		{"rendition that there is not", hls.Part{Rendition: 2}, "apply part 0: rendition 2 of 2", false},
		{"rendition below zero", hls.Part{Rendition: -1}, "apply part 0: rendition -1 of 2", false},
		{"nothing", nil, "apply event: unknown type <nil>", false},
		{"take with parts to come", with(func(t *hls.Take) { t.Renditions[0].NextPart = 10 }), "apply take: rendition source: events out of order: it goes on with part 10, the next is 9", true},
		{"take with segments to come", with(func(t *hls.Take) { t.Renditions[0].NextMSN = 3 }), "apply take: rendition source: events out of order: it goes on with segment 3, the next is 2", true},
		{"take of another target duration", with(func(t *hls.Take) { t.TargetDuration = 5 * time.Second }), "apply take: target duration 5s was 4s", false},
		{"take of another part target", with(func(t *hls.Take) { t.PartTarget = time.Second }), "apply take: part target 1s was 350ms", false},
		{"take of another window", with(func(t *hls.Take) { t.Window = time.Second }), "apply take: window 1s was 1h0m0s", false},
		{"take of another anchor", with(func(t *hls.Take) { t.Anchor = anchor.Add(1) }), "apply take: anchor 2026-03-01 12:00:00.250000001 +0000 UTC was 2026-03-01 12:00:00.25 +0000 UTC", false},
		{"take without a rendition", with(func(t *hls.Take) { t.Renditions = t.Renditions[:1] }), "apply take: 1 renditions were 2", false},
		{"take with a new rendition", with(func(t *hls.Take) { t.Renditions[1] = low }), `apply take: rendition "360p30" is new or there twice`, false},
		{"take with a rendition twice", with(func(t *hls.Take) { t.Renditions[1] = source }), `apply take: rendition "source" is new or there twice`, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b, w := begun(t, take)
			apply(t, b, append(w[0].segments(1), w[1].segments(1)...)...)
			apply(t, b, w[0].part(), w[0].part())
			was, _ := b.Media(now(), "source", hls.Directives{})
			fits := w[0].part() // number 8
			err := b.Apply(fits, tt.event)
			if err == nil || err.Error() != tt.want || errors.Is(err, hls.ErrOrder) != tt.order {
				t.Errorf("got %v, want %s", err, tt.want)
			}
			if is, _ := b.Media(now(), "source", hls.Directives{}); was != is {
				t.Errorf("half of the batch was done:\n%s", is.Text())
			}
			apply(t, b, fits)
			if at, _ := b.Edge("source"); at != (hls.Position{MSN: 1, Part: 2}) {
				t.Errorf("then it is at %v, want 1.2", at)
			}
		})
	}
}

func TestApply_RefusesWithoutATake(t *testing.T) {
	t.Parallel()
	err := hls.NewBroadcast(broadcast).Apply(hls.Part{Number: 3, Duration: 1})
	if want := "apply part 3: events out of order: no take came before it"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	for name, change := range map[string]func(t *hls.Take){
		"part of a second": func(t *hls.Take) { t.TargetDuration = 1500 * time.Millisecond },
		"no part target":   func(t *hls.Take) { t.PartTarget = 0 },
		"long parts":       func(t *hls.Take) { t.PartTarget = 5 * time.Second },
		"no renditions":    func(t *hls.Take) { t.Renditions = nil },
		"no name":          func(t *hls.Take) { t.Renditions[0].Name = "" },
		"one name twice":   func(t *hls.Take) { t.Renditions = append(t.Renditions, source) },
	} {
		take := takeOf(source)
		change(&take)
		if err := hls.NewBroadcast(broadcast).Apply(take); err == nil {
			t.Errorf("%s: it was taken", name)
		}
	}
}

func TestApply_RefusesAfterEnd(t *testing.T) {
	t.Parallel()
	b, w := begun(t, takeOf(source))
	apply(t, b, append(w[0].segments(1), w[0].part(), hls.End{})...)
	if err := b.Apply(w[0].part()); !errors.Is(err, hls.ErrOrder) {
		t.Errorf("got %v, want ErrOrder", err)
	}
	apply(t, b, hls.End{}, takeOf(source)) // known, and the word of a successor
}

// TestApply_IgnoresWhatIsKnown applies everything twice, whole and in pieces.
func TestApply_IgnoresWhatIsKnown(t *testing.T) {
	t.Parallel()
	b, w := begun(t, takeOf(source))
	all := append([]hls.Event{takeOf(source)}, append(w[0].segments(3), w[0].part())...)
	apply(t, b, all...)
	was, _ := b.Media(now(), "source", hls.Directives{})
	apply(t, b, all...)
	for _, e := range all {
		apply(t, b, e)
	}
	apply(t, b, hls.Segment{MSN: 1, Start: 2 * time.Second, Duration: length, Init: "aa", Term: 3})
	if is, _ := b.Media(now(), "source", hls.Directives{}); was != is {
		t.Errorf("it changed:\n%s", is.Text())
	}
}

// TestApply_NewTerm goes on under a take whose renditions stand in another order
// and whose numbers lag, as those of a successor that only ends the broadcast.
func TestApply_NewTerm(t *testing.T) {
	t.Parallel()
	b, w := begun(t, takeOf(source, sound))
	apply(t, b, append(w[0].segments(2), w[1].segments(2)...)...)
	apply(t, b, w[0].part())
	was := media(t, b, "source", hls.Directives{})

	next := takeOf(sound, source)
	next.Renditions[1].NextPart, next.Renditions[1].NextMSN = 13, 3
	w[0].index, w[1].index = 1, 0
	w[0].term = 8
	apply(t, b, next, w[0].close(), w[0].part(), w[1].part())
	is := media(t, b, "source", hls.Directives{})
	checkLater(t, &was, &is)
	if at, _ := b.Edge("source"); at != (hls.Position{MSN: 3, Part: 0}) {
		t.Errorf("source is at %v", at)
	}
	if at, _ := b.Edge("audio"); at != (hls.Position{MSN: 2, Part: 0}) {
		t.Errorf("audio is at %v", at)
	}
	if key, err := b.Part(now(), "source", 13); key != "01JD/source/p13.8.m4s" || err != nil {
		t.Errorf("got %q, %v", key, err)
	}
}

// TestApply_Snapshot joins a broadcast at every event, from the list of its older
// segments and what is left of its stream, and compares with a reader who saw all
// of it: the playlists are the same to the byte.
func TestApply_Snapshot(t *testing.T) {
	t.Parallel()
	take := sliding(takeOf(source, sound), 40*time.Second)
	w := []*writer{newWriter(0), newWriter(1)}
	var stream []hls.Event
	for n := range 26 {
		if n == 1 || n == 20 { // one that has left the playlists, and one that stands in them
			w[0].init, w[0].disc = fmt.Sprint("b", n), true
		}
		for range partsEach {
			stream = append(stream, w[0].part(), w[1].part())
		}
		stream = append(stream, w[0].close(), w[1].close())
		stream = append(stream, w[0].stored(), w[1].stored())
	}
	seen := hls.NewBroadcast(broadcast)
	apply(t, seen, take)
	for i, e := range stream {
		apply(t, seen, e)
		if i < len(stream)-18 { // a segment and a bit of both renditions
			continue
		}
		for _, keep := range []int{128, 133, 160} { // four target durations, 16 s, are 128 events
			b := hls.NewBroadcast(broadcast)
			apply(t, b, snapshot(take, stream[:i+1], keep)...)
			for _, name := range []string{"source", "audio"} {
				for _, d := range []hls.Directives{{}, skip} {
					want, got := media(t, seen, name, d), media(t, b, name, d)
					if diff := cmp.Diff(want.text, got.text); diff != "" {
						t.Fatalf("after %d events, joined with %d (-want +got):\n%s", i+1, keep, diff)
					}
				}
			}
		}
	}
}

// snapshot is what a reader gets who joins now: the take, the durable segments of
// the window, and the last events of the stream.
func snapshot(take hls.Take, stream []hls.Event, keep int) []hls.Event {
	events := []hls.Event{take}
	type id struct {
		rendition int
		msn       uint64
	}
	first := make(map[id]hls.Part)
	lasted := make(map[id]time.Duration)
	for _, e := range stream {
		switch e := e.(type) {
		case hls.Part:
			if _, ok := first[id{e.Rendition, e.MSN}]; !ok {
				first[id{e.Rendition, e.MSN}] = e
			}
		case hls.Close:
			lasted[id{e.Rendition, e.MSN}] = e.Duration
		case hls.Object:
			p := first[id{e.Rendition, e.MSN}]
			events = append(events, hls.Segment{
				Rendition: e.Rendition, MSN: e.MSN, Start: p.Start, Duration: lasted[id{e.Rendition, e.MSN}],
				Init: p.Init, Discontinuity: p.Discontinuity, Term: e.Term,
				DiscontinuitySequence: p.DiscontinuitySequence,
			})
		}
	}
	return append(events, stream[len(stream)-keep:]...)
}

// TestApply_SnapshotOfALittle joins with less of the stream than the playlist has
// parts of: a segment is listed with all of its parts or with none.
func TestApply_SnapshotOfALittle(t *testing.T) {
	t.Parallel()
	w := newWriter(0)
	var stream []hls.Event
	for range 10 {
		stream = append(stream, w.segments(1)...)
	}
	for keep := 1; keep < len(stream); keep++ {
		b := hls.NewBroadcast(broadcast)
		apply(t, b, snapshot(takeOf(source), stream, keep)...)
		for _, s := range media(t, b, "source", hls.Directives{}).segments {
			whole := int(10-s.msn)*(partsEach+2) <= keep && s.msn >= 4
			if got, want := len(s.parts), map[bool]int{true: partsEach}[whole]; got != want {
				t.Errorf("with the last %d events segment %d has %d parts, want %d", keep, s.msn, got, want)
			}
		}
		apply(t, b, hls.Part{Number: 60, MSN: 10, Start: 20 * time.Second, Duration: time.Millisecond})
	}
}

// TestApply_ListAheadOfStream joins with a list that was read after the stream,
// whose last events come only then.
func TestApply_ListAheadOfStream(t *testing.T) {
	t.Parallel()
	w := newWriter(0)
	take := takeOf(source)
	early, late := w.segments(9), w.segments(3) // of 8 events each
	list := snapshot(take, append(early, late...), 0)
	b := hls.NewBroadcast(broadcast)
	apply(t, b, append(list, early[5*8+2:]...)...)
	for n := 0; ; n++ {
		got := media(t, b, "source", msn(11))
		if len(got.segments) != 12 || got.hint != fmt.Sprintf("p%d.m4s", 54+min(n, 6)+max(0, min(n, 14)-8)+max(0, min(n, 22)-16)) {
			t.Errorf("after %d events got\n%s", n, got.text)
		}
		for _, s := range got.segments {
			if want := map[bool]int{true: partsEach}[s.msn >= 6 && int(s.msn) < 9+(n+1)/8]; len(s.parts) != want {
				t.Errorf("after %d events segment %d has %d parts, want %d", n, s.msn, len(s.parts), want)
			}
		}
		if n == len(late) {
			break
		}
		apply(t, b, late[n])
	}
}

// TestApply_StreamOlderThanList joins with a stream that goes back further than
// the list, which was trimmed.
func TestApply_StreamOlderThanList(t *testing.T) {
	t.Parallel()
	w := newWriter(0)
	stream := w.segments(9)
	events := snapshot(takeOf(source), stream, len(stream))
	events = append(events[:1], events[4:]...) // without segments 0 to 2
	b := hls.NewBroadcast(broadcast)
	apply(t, b, events...)
	got := media(t, b, "source", hls.Directives{})
	if got.mediaSequence != 3 || len(got.segments) != 6 || got.hint != "p54.m4s" {
		t.Errorf("got\n%s", got.text)
	}
	for _, s := range got.segments {
		if len(s.parts) != partsEach {
			t.Errorf("segment %d has %d parts", s.msn, len(s.parts))
		}
	}
}

// TestApply_SnapshotWithAHole joins in the middle of a segment that is not in the
// list: every index in it would be wrong.
func TestApply_SnapshotWithAHole(t *testing.T) {
	t.Parallel()
	b, w := begun(t, takeOf(source))
	var stream []hls.Event
	for range 2 {
		stream = append(stream, w[0].segments(1)...)
	}
	list := hls.Segment{MSN: 0, Duration: length, Init: "aa", Term: 7}
	if err := b.Apply(append([]hls.Event{list}, stream[partsEach+4:]...)...); !errors.Is(err, hls.ErrOrder) {
		t.Errorf("from the middle: got %v, want ErrOrder", err)
	}
	if err := b.Apply(list, hls.Segment{MSN: 2, Duration: length}); !errors.Is(err, hls.ErrOrder) {
		t.Errorf("a segment left out of the list: got %v, want ErrOrder", err)
	}
	apply(t, b, append([]hls.Event{list}, stream[partsEach+2:]...)...)
}
