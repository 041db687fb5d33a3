package hls_test

import (
	"context"
	"testing"
	"time"

	"github.com/pharos-live/pharos/internal/hls"
)

const (
	broadcast = "01JD"
	partsEach = 6 // parts of a scripted segment
	length    = 2 * time.Second
)

var anchor = time.Date(2026, 3, 1, 12, 0, 0, 250_000_000, time.UTC)

var (
	source = hls.Rendition{
		Name: "source", Kind: hls.Video, Codecs: "avc1.64002a", Width: 1920, Height: 1080, FrameRate: 60,
		Bandwidth: 6_600_000, AverageBandwidth: 6_000_000,
	}
	rung = hls.Rendition{
		Name: "720p30", Kind: hls.Video, Codecs: "avc1.64001f", Width: 1280, Height: 720, FrameRate: 29.97,
		Bandwidth: 2_200_000, AverageBandwidth: 2_000_000,
	}
	low = hls.Rendition{
		Name: "360p30", Kind: hls.Video, Codecs: "avc1.64001e", Width: 640, Height: 360, FrameRate: 30,
		Bandwidth: 660_000, AverageBandwidth: 600_000,
	}
	sound = hls.Rendition{
		Name: "audio", Kind: hls.Audio, Codecs: "mp4a.40.2", Bandwidth: 170_000, AverageBandwidth: 160_000,
		Channels: 2, SampleRate: 48_000,
	}
)

// takeOf is a Take of these renditions, with a window that never slides unless
// the test sets one.
func takeOf(renditions ...hls.Rendition) hls.Take {
	return hls.Take{
		Renditions:     renditions,
		TargetDuration: 4 * time.Second,
		PartTarget:     350 * time.Millisecond,
		Window:         time.Hour,
		Anchor:         anchor,
	}
}

// writer makes the events of one rendition, segment after segment.
type writer struct {
	index int
	init  string
	term  uint64
	disc  bool // the next segment begins with a discontinuity
	discs uint64

	number, msn uint64
	begin, at   time.Duration
}

func newWriter(index int) *writer { return &writer{index: index, init: "aa", term: 7} }

// part is the next part, of an equal share of its segment.
func (w *writer) part() hls.Part {
	first := w.at == w.begin
	n := time.Duration(0)
	for start := w.begin; start < w.at; n++ {
		start = w.begin + length*(n+1)/partsEach
	}
	end := w.begin + length*(n+1)/partsEach
	if first && w.disc {
		w.discs++
	}
	p := hls.Part{
		Rendition: w.index, Number: w.number, MSN: w.msn, Start: w.at, Duration: end - w.at, Independent: first,
		Size: 1000, Init: w.init, Discontinuity: w.disc, Term: w.term, DiscontinuitySequence: w.discs,
	}
	w.number, w.at = w.number+1, end
	return p
}

func (w *writer) gap() hls.Gap { return hls.Gap(w.part()) }

func (w *writer) close() hls.Close {
	c := hls.Close{Rendition: w.index, MSN: w.msn, Duration: w.at - w.begin}
	w.msn, w.begin, w.disc = w.msn+1, w.at, false
	return c
}

// stored is the object of the segment closed last.
func (w *writer) stored() hls.Object {
	return hls.Object{Rendition: w.index, MSN: w.msn - 1, Size: 6000, Term: w.term}
}

// segments is n whole segments with their objects.
func (w *writer) segments(n int) []hls.Event {
	var events []hls.Event
	for range n {
		for range partsEach {
			events = append(events, w.part())
		}
		events = append(events, w.close(), w.stored())
	}
	return events
}

// begun is a broadcast with a take, and a writer for each of its renditions.
func begun(t testing.TB, take hls.Take) (*hls.Broadcast, []*writer) {
	t.Helper()
	b := hls.NewBroadcast(broadcast)
	apply(t, b, take)
	writers := make([]*writer, len(take.Renditions))
	for i := range writers {
		writers[i] = newWriter(i)
	}
	return b, writers
}

func apply(t testing.TB, b *hls.Broadcast, events ...hls.Event) {
	t.Helper()
	if err := b.Apply(events...); err != nil {
		t.Fatal(err)
	}
}

// now is a context for what must be answered without waiting.
func now() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// media is a playlist that must be there without waiting, read by both readers.
func media(t testing.TB, b *hls.Broadcast, rendition string, d hls.Directives) reading {
	t.Helper()
	p, err := b.Media(now(), rendition, d)
	if err != nil {
		t.Fatalf("Media(%s, %+v): %v", rendition, d, err)
	}
	return read(t, p)
}

func msn(n uint64) hls.Directives { return hls.Directives{HasMSN: true, MSN: n} }

func partOf(n, part uint64) hls.Directives {
	return hls.Directives{HasMSN: true, MSN: n, HasPart: true, Part: part}
}

var skip = hls.Directives{Skip: true}
