package hls_test

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pharos-live/pharos/internal/hls"
)

// checkPlaylist holds one playlist against the rules that need no other.
func checkPlaylist(t testing.TB, r *reading, take hls.Take) {
	t.Helper()
	target := take.TargetDuration.Seconds()
	fault := func(rule, format string, args ...any) {
		t.Helper()
		t.Errorf("%s: %s\n%s", rule, fmt.Sprintf(format, args...), r.text)
	}
	if want := map[bool]int{true: 9, false: 6}[r.skipped > 0]; r.version != want {
		fault("gram.version", "got %d, want %d", r.version, want)
	}
	number := uint64(0)
	for i, s := range append(slices.Clone(r.segments), r.open) {
		if i < len(r.segments) && (s.extinf <= 0 || math.Round(s.extinf) > target) {
			fault("pl.target", "EXTINF %v, target %v", s.extinf, target)
		}
		for _, line := range s.parts {
			a := attributes(line)
			if d, err := strconv.ParseFloat(a["DURATION"], 64); err != nil || d <= 0 || d > take.PartTarget.Seconds() {
				fault("part.max", "%s", line)
			}
			n := toUint(t, strings.TrimSuffix(strings.TrimPrefix(a["URI"], "p"), ".m4s"))
			if number > 0 && n != number+1 {
				fault("part.numbers", "%d after %d", n, number)
			}
			number = n
		}
		if i < len(r.segments) && (s.date == "" || s.init == "") {
			fault("pl.date, pl.map", "segment %d has date %q and map %q", s.msn, s.date, s.init)
		}
	}
	if r.ended {
		if r.hint != "" || len(r.open.parts) > 0 || len(r.reports) > 0 {
			fault("end.clean", "hint %q, %d open parts", r.hint, len(r.open.parts))
		}
		return
	}
	if want := fmt.Sprintf("p%d.m4s", number+1); r.hint != want && number > 0 {
		fault("hint.next", "got %s, want %s", r.hint, want)
	}
	if got, want := len(r.reports), len(take.Renditions)-1; got != want {
		fault("report.present", "got %d, want %d", got, want)
	}
}

// checkLater holds a playlist against an earlier one of its rendition: nothing
// changes but by appending, removal from the front, and dropped parts.
func checkLater(t testing.TB, was, is *reading) {
	t.Helper()
	fault := func(rule, format string, args ...any) {
		t.Helper()
		t.Errorf("%s: %s\nwas:\n%s\nis:\n%s", rule, fmt.Sprintf(format, args...), was.text, is.text)
	}
	if was.constants != is.constants {
		fault("pl.constant", "%s became %s", was.constants, is.constants)
	}
	if is.mediaSequence < was.mediaSequence || is.last().Before(was.last()) || was.ended && was.text != is.text {
		fault("pl.monotone", "it went back")
	}
	for _, old := range append(slices.Clone(was.segments), was.open) {
		open := old.uri == ""
		if open {
			old.msn = was.next()
			if len(old.parts) == 0 {
				continue
			}
		}
		if old.msn < is.mediaSequence+is.skipped {
			continue
		}
		now := is.open
		if i := old.msn - is.mediaSequence - is.skipped; i < uint64(len(is.segments)) {
			now = is.segments[i]
		}
		switch {
		case len(now.parts) == 0 && now.uri != "": // dropped
		case open && len(now.parts) < len(old.parts):
			fault("pl.immutable", "parts of segment %d went", old.msn)
		case open:
			now.parts = now.parts[:len(old.parts)]
		}
		if open {
			now.uri, now.extinf, now.gap, now.msn = old.uri, old.extinf, old.gap, old.msn
		}
		if len(now.parts) == 0 {
			old.parts, now.parts = nil, nil
		}
		if !reflect.DeepEqual(old, now) { // cmp is slow, and this is called a million times
			fault("pl.immutable", "segment %d: %s", old.msn, cmp.Diff(old, now, cmp.AllowUnexported(listed{})))
		}
	}
	gone := was.discontinuities
	for _, s := range was.segments {
		if s.disc && s.msn < is.mediaSequence {
			gone++
		}
	}
	if is.discontinuities != gone {
		fault("align.disc", "discontinuity sequence %d, want %d", is.discontinuities, gone)
	}
}

// checkDelta expands a delta update by the client's full playlist, and compares
// it with the one that it stands for.
func checkDelta(t testing.TB, client, full, delta *reading) {
	t.Helper()
	got := *delta
	got.segments = nil
	for msn := delta.mediaSequence; msn < delta.mediaSequence+delta.skipped; msn++ {
		i := msn - client.mediaSequence
		if msn < client.mediaSequence || i >= uint64(len(client.segments)) {
			t.Fatalf("skip.boundary: segment %d is skipped, the client has not got it", msn)
		}
		s := client.segments[i]
		s.parts = nil // skipped segments are too old for them
		got.segments = append(got.segments, s)
	}
	kept := slices.Clone(delta.segments)
	for i := range kept { // discontinuities that were skipped count too
		kept[i].sequence = full.segments[uint64(i)+delta.skipped].sequence
	}
	got.segments = append(got.segments, kept...)
	got.open.sequence = full.open.sequence
	got.text, got.version, got.skipped = full.text, full.version, 0
	if !reflect.DeepEqual(*full, got) {
		t.Errorf("skip.equal (-full +expanded):\n%s", cmp.Diff(*full, got, cmp.AllowUnexported(reading{}, listed{})))
	}
}
