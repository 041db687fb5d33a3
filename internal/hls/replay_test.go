package hls_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bluenviron/gohlslib/v2/pkg/playlist"
	"github.com/google/go-cmp/cmp"

	"github.com/pharos-live/pharos/internal/hls"
)

// A reel makes the segments of a recorded broadcast.
type reel struct {
	take   hls.Take
	events []hls.Event
}

// newReel is a broadcast with a target duration of four seconds.
func newReel(names ...string) *reel {
	t := hls.Take{
		TargetDuration: 4 * time.Second, PartTarget: 350 * time.Millisecond, Window: time.Minute,
		Anchor: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC),
	}
	for _, name := range names {
		r := hls.Rendition{Name: name, Kind: hls.Video, Codecs: "avc1.64001f", Width: 1280, Height: 720, FrameRate: 30, Bandwidth: 1, AverageBandwidth: 1}
		if name == "audio" {
			r = hls.Rendition{Name: name, Kind: hls.Audio, Codecs: "mp4a.40.2", Bandwidth: 1, AverageBandwidth: 1, Channels: 2, SampleRate: 48000}
		}
		t.Renditions = append(t.Renditions, r)
	}
	return &reel{take: t, events: []hls.Event{t}}
}

// add appends segments to a rendition, one for each duration, from start on.
func (r *reel) add(rendition int, msn uint64, start time.Duration, change func(*hls.Segment), durations ...time.Duration) {
	for _, d := range durations {
		s := hls.Segment{Rendition: rendition, MSN: msn, Start: start, Duration: d, Size: int64(d / time.Microsecond), Init: "aa", Term: 7}
		if change != nil {
			change(&s)
		}
		r.events = append(r.events, s)
		start += d
		msn++
	}
}

func lost(s *hls.Segment) { s.Gap, s.Size = true, 0 }

func (r *reel) replay(t *testing.T) *hls.Replay {
	t.Helper()
	p, err := hls.NewReplay(r.events)
	if err != nil {
		t.Fatalf("got error %v, want none", err)
	}
	return p
}

const two = 2 * time.Second

func TestReplay_Golden(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		reel func() *reel
	}{
		{"replay_plain", func() *reel {
			r := newReel("source", "720p30", "audio")
			r.add(0, 0, 0, nil, two, two, 700*time.Millisecond)
			r.add(1, 0, 0, func(s *hls.Segment) { s.Size /= 4 }, two, two, 700*time.Millisecond)
			r.add(2, 0, 0, func(s *hls.Segment) { s.Size /= 20 }, 2005333333, 1984*time.Millisecond, 725333333)
			return r
		}},
		{"replay_discontinuity", func() *reel {
			r := newReel("source", "audio")
			for i := range 2 {
				r.add(i, 0, 0, nil, two)
				r.add(i, 1, two, func(s *hls.Segment) { s.Discontinuity, s.Init = true, "bb" }, two)
				r.add(i, 2, 2*two, func(s *hls.Segment) { s.Init = "bb" }, two)
			}
			return r
		}},
		{"replay_gaps", func() *reel {
			r := newReel("source", "audio")
			r.add(0, 0, 0, lost, two) // nothing anywhere: left out
			r.add(1, 0, 0, lost, two)
			r.add(0, 1, two, nil, two)
			r.add(0, 2, 2*two, lost, two)
			r.add(0, 3, 3*two, nil, two)
			r.add(1, 1, two, nil, two, two, two)
			r.add(1, 4, 4*two, lost, two) // likewise
			return r
		}},
		{"replay_holes", func() *reel {
			r := newReel("source", "audio")
			r.add(0, 0, 0, nil, two)
			r.add(0, 9, 5*two, nil, two) // four are missing, of which the sound knows two
			r.add(1, 0, 0, nil, two, two)
			r.add(1, 2, 2*two, func(s *hls.Segment) { s.Discontinuity = true }, two)
			r.add(1, 9, 5*two, nil, two)
			return r
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := tt.reel().replay(t)
			var all strings.Builder
			fmt.Fprintf(&all, "# index.m3u8\n%s", p.Multivariant())
			for i, r := range p.Renditions {
				fmt.Fprintf(&all, "# %s/index.m3u8\n%s", r.Name, p.Media(i))
				readVOD(t, p.Media(i))
			}
			golden(t, tt.name, []byte(all.String()))
		})
	}
}

// vod is a segment of a replay as a player understands it.
type vod struct {
	uri      string
	start    time.Duration // since the first date
	duration time.Duration
	gap      bool
	disc     bool
	init     string
}

// readVOD reads a replay's media playlist, strictly, and has gohlslib read it too.
func readVOD(t testing.TB, text []byte) []vod {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	header := lines[:5]
	if header[0] != "#EXTM3U" || header[1] != "#EXT-X-VERSION:6" || header[3] != "#EXT-X-PLAYLIST-TYPE:VOD" ||
		header[4] != "#EXT-X-MEDIA-SEQUENCE:0" || lines[len(lines)-1] != "#EXT-X-ENDLIST" {
		t.Fatalf("not a VOD playlist:\n%s", text)
	}
	target, err := strconv.Atoi(strings.TrimPrefix(header[2], "#EXT-X-TARGETDURATION:"))
	if err != nil {
		t.Fatal(err)
	}
	var all []vod
	var s vod
	var first time.Time
	for _, line := range lines[5 : len(lines)-1] {
		tag, value, _ := strings.Cut(line, ":")
		switch tag {
		case "#EXT-X-DISCONTINUITY":
			s.disc = true
		case "#EXT-X-MAP":
			s.init = attributes(value)["URI"]
		case "#EXT-X-PROGRAM-DATE-TIME":
			at, err := time.Parse(time.RFC3339Nano, value)
			if err != nil {
				t.Fatal(err)
			}
			if first.IsZero() {
				first = at
			}
			s.start = at.Sub(first)
		case "#EXT-X-GAP":
			s.gap = true
		case "#EXTINF":
			sec, err := strconv.ParseFloat(strings.TrimSuffix(value, ","), 64)
			if err != nil {
				t.Fatal(err)
			}
			s.duration = time.Duration(sec * float64(time.Second))
			if s.duration.Round(time.Second) > time.Duration(target)*time.Second {
				t.Errorf("a segment of %v with a target of %d s", s.duration, target)
			}
		default:
			if strings.HasPrefix(line, "#") || strings.HasPrefix(line, "/") || s.init == "" || s.duration <= 0 {
				t.Fatalf("unexpected line %q, or a segment without map or duration:\n%s", line, text)
			}
			s.uri = line
			all = append(all, s)
			s = vod{init: s.init}
		}
	}
	var m playlist.Media
	if err := m.Unmarshal(text); err != nil {
		t.Fatalf("gohlslib: %v\n%s", err, text)
	}
	if !m.Endlist || m.PlaylistType == nil || *m.PlaylistType != playlist.MediaPlaylistTypeVOD || len(m.Segments) != len(all) || m.ServerControl != nil || m.PartInf != nil {
		t.Errorf("gohlslib reads end %v, %d segments, control %v; want the end of %d and no control", m.Endlist, len(m.Segments), m.ServerControl, len(all))
	}
	return all
}

func TestReplay_BitRatesAreMeasured(t *testing.T) {
	t.Parallel()
	r := newReel("source", "audio")
	sized := func(size int64) func(*hls.Segment) { return func(s *hls.Segment) { s.Size = size } }
	r.add(0, 0, 0, sized(250_000), two, two)            // 1 Mbit/s
	r.add(0, 2, 2*two, sized(1_000_000), two)           // 4 Mbit/s, the peak: a run of half the target
	r.add(0, 3, 3*two, sized(900_000), time.Second)     // more, but too short by itself
	r.add(0, 4, 3*two+time.Second, sized(250_000), two) // 1 Mbit/s
	r.add(1, 0, 0, sized(25_000), two, two, two, time.Second, two)
	got := r.replay(t).Renditions
	const second = 9 // seconds in all
	average := (4*250_000/4*3 + 1_000_000 + 900_000) * 8 / second
	// The peak is of the two segments of 2 s and 1 s: 1.9 MB in 3 s.
	if want := 1_900_000*8/3 + 1; got[0].Bandwidth != want || got[0].AverageBandwidth < average || got[0].AverageBandwidth > average+1 {
		t.Errorf("got %d and %d, want %d and %d", got[0].Bandwidth, got[0].AverageBandwidth, want, average)
	}
	if got[1].Bandwidth < got[1].AverageBandwidth {
		t.Errorf("got a peak of %d below the average of %d", got[1].Bandwidth, got[1].AverageBandwidth)
	}
}

func TestReplay_EndsWhereAllRenditionsEnd(t *testing.T) {
	t.Parallel()
	r := newReel("source", "720p30", "audio")
	r.add(0, 0, 0, nil, two, two, two)
	r.add(1, 0, 0, nil, two, two) // its third was not durable when the runner died
	r.add(2, 0, 0, nil, 2010*time.Millisecond, 1990*time.Millisecond, two)
	p := r.replay(t)
	for i := range p.Renditions {
		if got := readVOD(t, p.Media(i)); len(got) != 2 {
			t.Errorf("%s has %d segments, want 2", p.Renditions[i].Name, len(got))
		}
	}
	if p.Duration != 4*time.Second {
		t.Errorf("got duration %v, want 4s", p.Duration)
	}
}

func TestReplay_ShortLastSegmentsStay(t *testing.T) {
	t.Parallel()
	r := newReel("source", "audio")
	r.add(0, 0, 0, nil, two, 33*time.Millisecond) // one picture
	r.add(1, 0, 0, nil, 2010*time.Millisecond, 640*time.Millisecond)
	p := r.replay(t)
	for i := range p.Renditions {
		if got := readVOD(t, p.Media(i)); len(got) != 2 || got[1].gap {
			t.Errorf("%s has %v, want both segments", p.Renditions[i].Name, got)
		}
	}
}

func TestReplay_ARenditionThatStoppedLongAgoTakesNothingWithIt(t *testing.T) {
	t.Parallel()
	r := newReel("source", "720p30")
	r.add(0, 0, 0, nil, slices.Repeat([]time.Duration{two}, 30)...)
	r.add(1, 0, 0, nil, two, two)
	p := r.replay(t)
	source, rung := readVOD(t, p.Media(0)), readVOD(t, p.Media(1))
	if len(source) != 30 || len(rung) != 30 || !rung[2].gap || !rung[29].gap || rung[1].gap {
		t.Errorf("got %d and %d segments, the rung's third and last %+v, %+v; want 30 each, with gaps", len(source), len(rung), rung[2], rung[29])
	}
}

func TestReplay_WithoutAnythingToPlay(t *testing.T) {
	t.Parallel()
	r := newReel("source", "audio")
	if _, err := hls.NewReplay(r.events); !errors.Is(err, hls.ErrNothing) {
		t.Errorf("got error %v without segments, want ErrNothing", err)
	}
	r.add(0, 0, 0, lost, two)
	if _, err := hls.NewReplay(r.events); !errors.Is(err, hls.ErrNothing) {
		t.Errorf("got error %v with a gap alone, want ErrNothing", err)
	}
	r.add(0, 1, two, nil, two)
	if got := r.replay(t).Renditions; len(got) != 1 || got[0].Name != "source" {
		t.Errorf("got renditions %v, want the one with media", got)
	}
	if _, err := hls.NewReplay(nil); err == nil || errors.Is(err, hls.ErrNothing) {
		t.Errorf("got error %v without a take, want another one", err)
	}
}

func TestReplay_BadSegmentsAreRefused(t *testing.T) {
	t.Parallel()
	for _, s := range []hls.Segment{{Rendition: 1, Duration: two}, {Rendition: -1, Duration: two}, {Rendition: 0}} {
		r := newReel("source")
		r.events = append(r.events, s)
		if _, err := hls.NewReplay(r.events); err == nil {
			t.Errorf("segment %+v was taken", s)
		}
	}
}

// TestReplay_Walk holds, for many broadcasts in which things were lost, what every
// replay promises.
func TestReplay_Walk(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		names := []string{"source", "720p30", "audio"}[:1+rnd.IntN(3)]
		r := newReel(names...)
		available := loseSome(r, rnd)
		p, err := hls.NewReplay(r.events)
		if errors.Is(err, hls.ErrNothing) {
			if len(available) > 0 {
				t.Fatalf("seed %d: nothing to play of %d segments", seed, len(available))
			}
			continue
		}
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		checkReplay(t, seed, r, p, available)
	}
}

// loseSome loses segments at random, at the edges and within, and returns those that are there.
func loseSome(r *reel, rnd *rand.Rand) map[string]hls.Segment {
	available := map[string]hls.Segment{}
	cuts := 1 + rnd.IntN(20)
	var at time.Duration
	begin := make([]time.Duration, len(r.take.Renditions))
	for n := range cuts {
		length := time.Duration(500+rnd.IntN(3500)) * time.Millisecond
		disc := rnd.IntN(8) == 0
		at += length
		for i := range r.take.Renditions {
			end := at
			if r.take.Renditions[i].Kind == hls.Audio {
				end += time.Duration(rnd.IntN(40)-20) * time.Millisecond
			}
			s := hls.Segment{
				Rendition: i, MSN: uint64(n), Start: begin[i], Duration: end - begin[i],
				Size: 1 + int64(rnd.IntN(1_000_000)), Init: "aa", Discontinuity: disc, Term: 7,
			}
			begin[i] = end
			switch rnd.IntN(8) {
			case 0:
				continue // of which nobody knows
			case 1:
				lost(&s)
			default:
				available[fmt.Sprintf("%d/s%d.7.m4s", i, n)] = s
			}
			r.events = append(r.events, s)
		}
	}
	return available
}

func checkReplay(t *testing.T, seed uint64, r *reel, p *hls.Replay, available map[string]hls.Segment) {
	t.Helper()
	const slack = 150 * time.Millisecond
	var m playlist.Multivariant
	if err := m.Unmarshal(p.Multivariant()); err != nil {
		t.Fatalf("seed %d: gohlslib: %v\n%s", seed, err, p.Multivariant())
	}
	var first []vod
	listed := 0
	for i, rendition := range p.Renditions {
		all := readVOD(t, p.Media(i))
		index := slices.IndexFunc(r.take.Renditions, func(w hls.Rendition) bool { return w.Name == rendition.Name })
		var end time.Duration
		for n, s := range all {
			if hole := s.start - end; n > 0 && (hole < -slack || hole > slack) {
				t.Fatalf("seed %d: a hole of %v before segment %d:\n%s", seed, hole, n, p.Media(i))
			}
			end = s.start + s.duration
			was, there := available[fmt.Sprintf("%d/%s", index, s.uri)]
			if there == s.gap {
				t.Fatalf("seed %d: segment %s is there: %v, a gap: %v:\n%s", seed, s.uri, there, s.gap, p.Media(i))
			}
			if there {
				listed++
				if d := s.duration - was.Duration; d > time.Microsecond || d < -time.Microsecond {
					t.Fatalf("seed %d: %s lasts %v, want %v", seed, s.uri, s.duration, was.Duration)
				}
			}
		}
		if rendition.Bandwidth < rendition.AverageBandwidth || rendition.AverageBandwidth <= 0 {
			t.Fatalf("seed %d: peak %d, average %d", seed, rendition.Bandwidth, rendition.AverageBandwidth)
		}
		if first == nil {
			first = all
			continue
		}
		last, own := first[len(first)-1], all[len(all)-1]
		if d := last.start + last.duration - own.start - own.duration; d > r.take.TargetDuration+slack || d < -r.take.TargetDuration-slack {
			t.Fatalf("seed %d: %s ends %v apart:\n%s%s", seed, rendition.Name, d, p.Media(0), p.Media(i))
		}
		if a, b := discontinuities(first), discontinuities(all); !cmp.Equal(a, b, cmp.Comparer(near)) {
			t.Fatalf("seed %d: discontinuities at %v and %v:\n%s%s", seed, a, b, p.Media(0), p.Media(i))
		}
	}
	// What is missing at the end, where renditions did not end together, is little.
	if most := 4 * len(r.take.Renditions) * 3; len(available)-listed > most {
		t.Fatalf("seed %d: %d of %d segments are not in the replay", seed, len(available)-listed, len(available))
	}
}

func near(a, b time.Duration) bool { return a-b < 150*time.Millisecond && b-a < 150*time.Millisecond }

func discontinuities(all []vod) []time.Duration {
	var at []time.Duration
	for _, s := range all {
		if s.disc {
			at = append(at, s.start)
		}
	}
	return at
}
