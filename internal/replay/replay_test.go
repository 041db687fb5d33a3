package replay_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pharos-live/pharos/internal/hls"
	"github.com/pharos-live/pharos/internal/journal"
	"github.com/pharos-live/pharos/internal/objstore"
	"github.com/pharos-live/pharos/internal/replay"
)

const id = "01JD0000000000000000000000"

var began = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// A bucket is a store that notes what was put, in order, and may fail one key.
type bucket struct {
	objstore.Memory

	mu   sync.Mutex // protects all below
	puts []string
	fail string
}

var errFull = errors.New("disk full")

func (b *bucket) Put(ctx context.Context, key string, body []byte, o objstore.PutOptions) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if key == b.fail {
		return errFull
	}
	b.puts = append(b.puts, key)
	return b.Memory.Put(ctx, key, body, o)
}

func (b *bucket) write(t *testing.T, number uint64, events ...hls.Event) {
	t.Helper()
	o := journal.Object{Broadcast: id, Channel: "news", Started: began, Term: 7, Number: number, Events: events}
	data, err := o.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Memory.Put(t.Context(), o.Key(), data, objstore.PutOptions{}); err != nil {
		t.Fatal(err)
	}
}

func (b *bucket) get(t *testing.T, key string) string {
	t.Helper()
	body, err := b.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func take() hls.Take {
	return hls.Take{
		Renditions:     []hls.Rendition{{Name: "source", Kind: hls.Video, Codecs: "avc1.64001f"}, {Name: "audio", Kind: hls.Audio, Codecs: "mp4a.40.2"}},
		TargetDuration: 4 * time.Second, PartTarget: 350 * time.Millisecond, Window: time.Minute, Anchor: began.Add(time.Second),
	}
}

func segments() []hls.Event {
	var all []hls.Event
	for n := range 3 {
		for r := range 2 {
			all = append(all, hls.Segment{
				Rendition: r, MSN: uint64(n), Start: time.Duration(n) * 2 * time.Second, Duration: 2 * time.Second, Size: 1000, Init: "aa", Term: 7,
			})
		}
	}
	return all
}

func TestFinalise_WritesTheIndexLast(t *testing.T) {
	t.Parallel()
	b := &bucket{}
	b.write(t, 0, take())
	b.write(t, 1, segments()...)
	b.write(t, 2, hls.End{Reason: "the streamer stopped"})
	got, err := replay.Finalise(t.Context(), b, id)
	if err != nil {
		t.Fatal(err)
	}
	want := replay.Index{
		Version: 1, Broadcast: id, Channel: "news", Started: began.Add(time.Second), Duration: 6, Renditions: []string{"source", "audio"},
		Playlist: id + "/index.m3u8", Reason: "the streamer stopped", State: replay.StateReady, Written: got.Written,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	found, err := replay.Find(t.Context(), b, id)
	if err != nil || !cmp.Equal(found, got) {
		t.Errorf("found %+v, %v, want %+v", found, err, got)
	}
	last := len(b.puts) - 1
	slices.Sort(b.puts[:last]) // they are written at the same time
	wantPuts := []string{id + "/audio/index.m3u8", id + "/index.m3u8", id + "/source/index.m3u8", "_replays/" + id + ".json"}
	if diff := cmp.Diff(wantPuts, b.puts); diff != "" {
		t.Errorf("puts (-want +got):\n%s", diff)
	}
	if text := b.get(t, id+"/index.m3u8"); !strings.Contains(text, "\nsource/index.m3u8\n") || !strings.Contains(text, `URI="audio/index.m3u8"`) {
		t.Errorf("the multivariant playlist has no relative URIs:\n%s", text)
	}
	if text := b.get(t, id+"/source/index.m3u8"); strings.Count(text, "#EXTINF") != 3 || !strings.Contains(text, "\ns2.7.m4s\n") {
		t.Errorf("the media playlist is not whole:\n%s", text)
	}
}

func TestFinalise_CanBeDoneAgain(t *testing.T) {
	t.Parallel()
	b := &bucket{}
	b.write(t, 0, append([]hls.Event{take()}, append(segments(), hls.End{})...)...)
	b.fail = id + "/index.m3u8"
	if _, err := replay.Finalise(t.Context(), b, id); !errors.Is(err, errFull) {
		t.Fatalf("got error %v, want the store's", err)
	}
	if _, err := replay.Find(t.Context(), b, id); !errors.Is(err, objstore.ErrNotFound) {
		t.Errorf("got error %v for the index of a replay that is not whole, want ErrNotFound", err)
	}
	b.fail = ""
	first, err := replay.Finalise(t.Context(), b, id)
	if err != nil {
		t.Fatal(err)
	}
	text := b.get(t, id+"/source/index.m3u8")
	again, err := replay.Finalise(t.Context(), b, id)
	again.Written = first.Written
	if err != nil || !cmp.Equal(first, again) || b.get(t, id+"/source/index.m3u8") != text {
		t.Errorf("got %+v, %v, want the same as before: %+v", again, err, first)
	}
}

func TestFinalise_NotBeforeTheEnd(t *testing.T) {
	t.Parallel()
	b := &bucket{}
	if _, err := replay.Finalise(t.Context(), b, id); !errors.Is(err, journal.ErrNone) {
		t.Errorf("got error %v without a journal, want ErrNone", err)
	}
	b.write(t, 0, take())
	if _, err := replay.Finalise(t.Context(), b, id); !errors.Is(err, replay.ErrUnfinished) {
		t.Errorf("got error %v without an end, want ErrUnfinished", err)
	}
	if len(b.puts) > 0 {
		t.Errorf("%v was written", b.puts)
	}
}

func TestFinalise_NothingToPlayIsNotListed(t *testing.T) {
	t.Parallel()
	b := &bucket{}
	b.write(t, 0, take(), hls.End{})
	got, err := replay.Finalise(t.Context(), b, id)
	if err != nil || got.State != replay.StateEmpty || got.Playlist != "" || len(b.puts) != 1 {
		t.Errorf("got %+v, %v and %v, want an empty index alone", got, err, b.puts)
	}
}

func TestFinalise_Pictures(t *testing.T) {
	t.Parallel()
	b := &bucket{}
	sheet := hls.Sheet{Revision: 1, Interval: 5 * time.Second, Count: 1, Columns: 5, Width: 160, Height: 90, Size: 1, Term: 7}
	grown, next := sheet, sheet
	grown.Revision, grown.Count = 4, 2
	next.Number, next.Start = 1, 125*time.Second
	events := append([]hls.Event{take()}, segments()...)
	b.write(t, 0, append(events, hls.Poster{Number: 1, Term: 7}, sheet, grown, hls.Poster{Number: 3, Term: 7}, next, hls.End{})...)
	got, err := replay.Finalise(t.Context(), b, id)
	if err != nil || got.Storyboard != id+"/storyboard.vtt" || got.Poster != hls.PosterKey(id, 3, 7) {
		t.Errorf("got %+v, %v", got, err)
	}
	want := "WEBVTT\n\n" +
		"00:00:00.000 --> 00:00:05.000\nsheets/0-4.7.jpg#xywh=0,0,160,90\n\n" +
		"00:00:05.000 --> 00:00:10.000\nsheets/0-4.7.jpg#xywh=160,0,160,90\n\n" +
		"00:02:05.000 --> 00:02:10.000\nsheets/1-1.7.jpg#xywh=0,0,160,90\n"
	if diff := cmp.Diff(want, b.get(t, id+"/storyboard.vtt")); diff != "" {
		t.Errorf("storyboard (-want +got):\n%s", diff)
	}
}

func TestMarkers_AreListed(t *testing.T) {
	t.Parallel()
	b := &bucket{}
	m := replay.Marker{Broadcast: id, Channel: "news", Started: began}
	if err := replay.Mark(t.Context(), b, m); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"_open/_replays.json", "_open/x/y.json", "_open/readme"} { // somebody else's
		if err := b.Put(t.Context(), key, nil, objstore.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	all, err := replay.Marked(t.Context(), b)
	if err != nil || len(all) != 1 || all[0].Broadcast != id || all[0].Written.IsZero() {
		t.Fatalf("got %v, %v, want the one marker", all, err)
	}
	got, err := replay.ReadMarker(t.Context(), b, id)
	m.Version = 1
	if err != nil || got != m {
		t.Errorf("got %+v, %v, want %+v", got, err, m)
	}
	if _, err := replay.ReadMarker(t.Context(), b, "x"); !errors.Is(err, objstore.ErrNotFound) {
		t.Errorf("got error %v, want ErrNotFound", err)
	}
}
