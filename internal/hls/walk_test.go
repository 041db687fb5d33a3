package hls_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pharos-live/pharos/internal/hls"
)

// walk is a broadcast whose writers act at random.
type walk struct {
	take    hls.Take
	rand    *rand.Rand
	writers []*walker
}

// walker is one rendition: parts of any length, segments of any number of parts.
type walker struct {
	rendition   hls.Rendition
	index       int
	number, msn uint64
	at, begin   time.Duration
	parts       int
	disc        bool
	discs       uint64
	init        int
	objects     []hls.Event // that are still being written
}

func newWalk(seed uint64, window time.Duration) *walk {
	w := &walk{take: sliding(takeOf(source, rung, sound), window), rand: rand.New(rand.NewPCG(seed, 1))}
	for i, r := range w.take.Renditions {
		first := uint64(w.rand.IntN(1000))
		w.take.Renditions[i].NextPart, w.take.Renditions[i].NextMSN = first, first/2
		w.writers = append(w.writers, &walker{rendition: r, index: i, number: first, msn: first / 2})
	}
	return w
}

// batch is what one moment brings.
func (w *walk) batch() []hls.Event {
	var events []hls.Event
	for range 1 + w.rand.IntN(4) {
		r := w.writers[w.rand.IntN(len(w.writers))]
		events = append(events, w.step(r)...)
	}
	return events
}

func (w *walk) step(r *walker) []hls.Event {
	var events []hls.Event
	if len(r.objects) > 0 && w.rand.IntN(3) == 0 {
		events = append(events, r.objects[0])
		r.objects = r.objects[1:]
	}
	if r.parts == 0 {
		r.begin = r.at
		if r.disc = w.rand.IntN(8) == 0; r.disc {
			r.init++
			r.discs++
		}
	}
	p := hls.Part{
		Rendition: r.index, Number: r.number, MSN: r.msn, Start: r.at,
		Duration:    time.Duration(300_000_000 + w.rand.IntN(50_000_001)),
		Independent: r.parts == 0 || r.rendition.Kind == hls.Audio,
		Init:        fmt.Sprintf("i%d", r.init), Discontinuity: r.disc, Term: 1,
		DiscontinuitySequence: r.discs,
	}
	r.number, r.at, r.parts = r.number+1, r.at+p.Duration, r.parts+1
	if w.rand.IntN(20) == 0 {
		events = append(events, hls.Gap(p))
	} else {
		events = append(events, p)
	}
	if r.parts == 11 || r.parts > 1 && w.rand.IntN(6) == 0 {
		events = append(events, hls.Close{Rendition: r.index, MSN: r.msn, Duration: r.at - r.begin})
		r.objects = append(r.objects, hls.Object{Rendition: r.index, MSN: r.msn, Term: 1})
		r.msn, r.parts = r.msn+1, 0
	}
	return events
}

// TestWalk follows random broadcasts from the first event to the last, as a
// client does that takes every playlist.
func TestWalk(t *testing.T) {
	t.Parallel()
	const steps = 150
	for seed := range uint64(3) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			w := newWalk(seed, time.Duration(seed)*12*time.Second)
			b := hls.NewBroadcast(broadcast)
			apply(t, b, w.take)
			was := make([]*reading, len(w.writers))
			var seen recording
			for n := 0; n < steps && !t.Failed(); n++ {
				events := w.batch()
				if n == steps-1 {
					events = append(events, hls.End{})
				}
				apply(t, b, events...)
				for i, r := range w.take.Renditions {
					is := checkNow(t, b, w, r.Name)
					if is == nil {
						continue
					}
					if was[i] != nil {
						checkLater(t, was[i], is)
						delta := media(t, b, r.Name, skip)
						checkPlaylist(t, &delta, w.take)
						checkDelta(t, was[i], is, &delta)
						seen.add(n, r.Name, "?_HLS_skip=YES", delta.text)
					}
					was[i] = is
					seen.add(n, r.Name, "", is.text)
				}
			}
			if !b.Ended() || was[0] == nil || !was[0].ended {
				t.Error("the walk did not come to its end")
			}
			seen.check(t, b)
		})
	}
}

// TestConcurrent has the race detector watch every method under a running
// broadcast.
func TestConcurrent(t *testing.T) {
	t.Parallel()
	w := newWalk(9, 10*time.Second)
	b := hls.NewBroadcast(broadcast)
	var readers sync.WaitGroup
	for i := range 8 {
		name := w.take.Renditions[i%3].Name
		readers.Go(func() {
			if p, err := b.Multivariant(t.Context()); err != nil || len(p.Gzip()) == 0 {
				t.Errorf("%v", err)
			}
			for !b.Ended() {
				at, _ := b.Edge(name)
				p, err := b.Media(t.Context(), name, hls.Directives{HasMSN: true, MSN: at.MSN, HasPart: true, Part: at.Part + 1, Skip: i%2 == 0})
				if err != nil || len(p.Gzip()) == 0 {
					t.Errorf("%s after %v: %v", name, at, err)
				}
				_, _, _ = b.Segment(now(), name, at.MSN)
				_, _ = b.Part(now(), name, at.MSN*3)
				_, _ = b.Init(name, "i0")
				_, _ = b.TargetDuration(), b.Renditions()
			}
		})
	}
	apply(t, b, w.take)
	for range 300 {
		apply(t, b, w.batch()...)
	}
	apply(t, b, hls.End{})
	readers.Wait()
}

// checkNow is one rendition's playlist in this state, if it has one: everything
// that it lists is to be had, and reports and edges agree with it.
func checkNow(t *testing.T, b *hls.Broadcast, w *walk, name string) *reading {
	t.Helper()
	p, err := b.Media(now(), name, hls.Directives{})
	if err != nil {
		return nil // no complete segment yet
	}
	r := read(t, p)
	checkPlaylist(t, &r, w.take)
	for _, s := range r.segments {
		checkSegment(t, b, name, &s)
	}
	checkParts(t, b, name, r.open.parts)
	if at, ok := b.Edge(name); !ok || at != r.last() {
		t.Errorf("edge of %s is %v, want %v", name, at, r.last())
	}
	for uri, at := range r.reports {
		other := strings.TrimSuffix(strings.TrimPrefix(uri, "../"), "/index.m3u8")
		if edge, ok := b.Edge(other); !ok || edge != at {
			t.Errorf("report.truth: %s in %s says %v, want %v", other, name, at, edge)
		}
	}
	if !r.ended {
		checkHint(t, b, name, &r)
	}
	return &r
}

func checkSegment(t *testing.T, b *hls.Broadcast, name string, s *listed) {
	t.Helper()
	key, parts, err := b.Segment(now(), name, s.msn)
	if errors.Is(err, hls.ErrNotFound) != s.gap || !s.gap && (key == "") == (len(parts) == 0) {
		t.Errorf("segment %d of %s: got %q, %q, %v", s.msn, name, key, parts, err)
	}
	if key == "" {
		have := slices.DeleteFunc(slices.Clone(s.parts), func(l string) bool { return attributes(l)["GAP"] == "YES" })
		if len(s.parts) > 0 && len(have) != len(parts) {
			t.Errorf("segment %d of %s: got parts %q, want %q", s.msn, name, parts, have)
		}
	}
	hash := strings.TrimSuffix(strings.TrimPrefix(s.init, "init-"), ".mp4")
	if _, err := b.Init(name, hash); err != nil {
		t.Errorf("segment %d of %s: %v", s.msn, name, err)
	}
	checkParts(t, b, name, s.parts)
}

func checkParts(t *testing.T, b *hls.Broadcast, name string, lines []string) {
	t.Helper()
	for _, line := range lines {
		a := attributes(line)
		n := toUint(t, strings.TrimSuffix(strings.TrimPrefix(a["URI"], "p"), ".m4s"))
		if _, err := b.Part(now(), name, n); errors.Is(err, hls.ErrNotFound) != (a["GAP"] == "YES") {
			t.Errorf("part %d of %s: %v", n, name, err)
		}
	}
}

// checkHint asks for the hinted part, which would wait, and for one far beyond.
func checkHint(t *testing.T, b *hls.Broadcast, name string, r *reading) {
	t.Helper()
	n := toUint(t, strings.TrimSuffix(strings.TrimPrefix(r.hint, "p"), ".m4s"))
	for number, missing := range map[uint64]bool{n: false, n + 1: false, n + 2: true} {
		if _, err := b.Part(now(), name, number); err == nil || errors.Is(err, hls.ErrNotFound) != missing {
			t.Errorf("part %d of %s, hinted is %d: got %v", number, name, n, err)
		}
	}
}
