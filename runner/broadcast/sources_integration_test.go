//go:build integration

package broadcast_test

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pharos-live/pharos/internal/hls"
)

// A source is one line of the matrix: what an encoder sends, and what viewers get of it. Docs/SOURCES.md
// has the same in words.
type source struct {
	name   string
	of     recording
	after  *recording                                    // what the encoder goes on with, at 6 s
	change func(tags []tag) []tag                        // what ffmpeg cannot make
	claps  func(t *testing.T, first, second []tag) claps // nil: of the tags that are sent
	ladder string

	renditions      []string        // nil: the source, the ladder's and audio
	length          time.Duration   // what there is to see; 0 = 12 s
	discontinuities []time.Duration // where
	gaps            time.Duration   // in the source, give or take a part
	step            float64         // the longest that a picture lasts, in ms; 0 = 70
	least           int             // claps that are heard; 0 = 9
	apart           time.Duration   // what segments of the renditions may differ by
	uneven          bool            // segments of the rungs need not begin with an IDR
	open            bool            // segments of the source need not
	end             string          // what the encoder is told; "" = nothing
}

const (
	two  = "180p30@300000|90p15@100000"
	hour = 3_600_000
)

func sources() []source {
	at := func(s ...float64) (out []time.Duration) {
		for _, v := range s {
			out = append(out, time.Duration(v*float64(time.Second)))
		}
		return out
	}
	return []source{
		{name: "keyframes each half second", of: recording{encoder: []string{"-force_key_frames", "expr:gte(t,n_forced*0.5)"}}, ladder: two},
		{name: "keyframes each 10 s", of: recording{seconds: 22, encoder: []string{"-force_key_frames", "expr:gte(t,n_forced*10)"}}, ladder: two, length: 22 * time.Second, open: true},
		{name: "irregular keyframes", of: recording{encoder: []string{"-force_key_frames", "0,0.7,2.5,3,6,9.9,11"}}, ladder: two, open: true},
		{name: "keyframes at cuts of the scene", of: recording{encoder: []string{"-force_key_frames", "0", "-sc_threshold", "40", "-g", "250"}}, ladder: two, open: true},
		{name: "B-frames", of: recording{encoder: []string{"-bf", "3"}}, ladder: two},
		{name: "B-frames in a long GOP", of: recording{seconds: 14, encoder: []string{"-bf", "2", "-force_key_frames", "expr:gte(t,n_forced*7)"}}, length: 14 * time.Second, ladder: two, open: true},
		{name: "open GOPs", of: recording{encoder: []string{"-bf", "2", "-force_key_frames", "0", "-g", "60", "-x264-params", "open-gop=1"}}, ladder: two, open: true},
		{name: "open GOPs of 5 s", of: recording{encoder: []string{"-bf", "2", "-force_key_frames", "0", "-g", "150", "-x264-params", "open-gop=1"}}, ladder: two, open: true},
		{name: "a variable frame rate", of: recording{rate: "60", filter: `,select='gt(sin(n*n),-0.3)'`}, ladder: two, step: 200, uneven: true, open: true, apart: 60 * time.Millisecond},
		{name: "23.976 frames per second", of: recording{rate: "24000/1001"}, ladder: two},
		{name: "29.97 frames per second", of: recording{rate: "30000/1001"}, ladder: two},
		{name: "59.94 frames per second", of: recording{rate: "60000/1001"}, ladder: two},
		{name: "44.1 kHz", of: recording{hertz: 44_100}},
		{name: "mono", of: recording{channels: "1"}},
		{name: "video only", of: recording{noAudio: true}, least: -1},
		{name: "audio only", of: recording{noVideo: true}, renditions: []string{"audio"}, least: -1},
		{
			name: "sound begins after the tally", ladder: two, least: 5,
			change: func(tags []tag) []tag { return silentUntil(tags, 6000) },
		},
		{
			name: "sound begins after the tally, in another format", of: recording{hertz: 44_100, channels: "1"}, ladder: two, least: 4,
			change: func(tags []tag) []tag { return silentUntil(tags, 5000) }, discontinuities: at(6),
		},
		{
			name: "pictures begin after the tally", least: 7, length: 8 * time.Second,
			change: func(tags []tag) []tag { return darkUntil(tags, 4000, true) },
		},
		{
			name: "pictures begin too late", least: -1, renditions: []string{"audio"},
			change: func(tags []tag) []tag { return darkUntil(tags, 6000, false) },
		},
		{
			name: "the SPS says half the frame rate", ladder: two,
			of: recording{output: []string{"-bsf:v", "h264_metadata=tick_rate=30"}},
		},
		{
			name: "the SPS says four times the frame rate", ladder: two,
			of:     recording{seconds: 14, encoder: []string{"-force_key_frames", "expr:gte(t,n_forced*7)"}, output: []string{"-bsf:v", "h264_metadata=tick_rate=240"}},
			length: 14 * time.Second, open: true,
		},
		{
			name: "another size", of: recording{seconds: 6}, after: &recording{seconds: 6, size: "240x136"}, ladder: two, discontinuities: at(6),
		},
		{
			name: "another sample rate", of: recording{seconds: 6}, after: &recording{seconds: 6, hertz: 44_100}, ladder: two, discontinuities: at(6),
		},
		{
			name: "another size and number of channels", of: recording{seconds: 6}, after: &recording{seconds: 6, size: "160x90", channels: "1"}, discontinuities: at(6),
		},
		{
			name: "another video codec", of: recording{seconds: 6}, after: &recording{seconds: 6, output: []string{"-c:v", "flv"}}, length: 6 * time.Second, least: 4,
			end: "video codec Sorenson H.263 is not supported", ladder: two,
		},
		{
			name: "another audio codec", of: recording{seconds: 6}, after: &recording{seconds: 6, hertz: 44_100, output: []string{"-c:a", "libmp3lame"}}, length: 6 * time.Second, least: 4,
			end: "audio codec MP3 is not supported",
		},
		{
			name: "timestamps jump forward by an hour", ladder: two,
			change: func(tags []tag) []tag { return from(tags, 5000, func(t tag) int64 { return t.ms + hour }) },
		},
		{
			name:   "timestamps jump forward by five seconds, and no time has passed",
			change: func(tags []tag) []tag { return from(tags, 5000, func(t tag) int64 { return t.ms + 5000 }) },
		},
		{
			name: "timestamps jump forward by a second", ladder: two, gaps: time.Second, step: 1100, length: 13 * time.Second,
			change: func(tags []tag) []tag { return from(tags, 5000, func(t tag) int64 { return t.ms + 1000 }) },
		},
		{
			name: "timestamps go back by three seconds", ladder: two,
			change: func(tags []tag) []tag { return from(tags, 5000, func(t tag) int64 { return t.ms - 3000 }) },
		},
		{
			name: "timestamps go back by an hour",
			change: func(tags []tag) []tag {
				return from(from(tags, 0, func(t tag) int64 { return t.ms + hour }), 5000, func(t tag) int64 { return t.ms })
			},
		},
		{
			name:   "timestamps wrap at 32 bits",
			change: func(tags []tag) []tag { return from(tags, 0, func(t tag) int64 { return t.ms + 1<<32 - 5000 }) },
		},
		{
			name: "pictures alone jump by an hour", of: recording{encoder: []string{"-bf", "2"}}, ladder: two,
			change: func(tags []tag) []tag {
				return from(tags, 5000, func(t tag) int64 { return t.ms + int64(b2i(t.video))*hour })
			},
			claps: func(t *testing.T, first, _ []tag) claps { return clapsOf(t, first) },
		},
		{
			name: "sound drifts by half a per cent",
			of:   recording{seconds: 20}, length: 20 * time.Second,
			change: func(tags []tag) []tag {
				return from(tags, 0, func(t tag) int64 { return t.ms + int64(1-b2i(t.video))*t.ms/200 })
			},
		},
		{
			name: "sound drifts the other way",
			of:   recording{seconds: 20, hertz: 44_100}, length: 20 * time.Second,
			change: func(tags []tag) []tag {
				return from(tags, 0, func(t tag) int64 { return t.ms - int64(1-b2i(t.video))*t.ms/200 })
			},
		},
		{
			name: "pictures are missing for three seconds", ladder: two, gaps: 3 * time.Second, step: 3100, least: 6,
			change: func(tags []tag) []tag {
				return slices.DeleteFunc(slices.Clone(tags), func(t tag) bool { return t.video && t.ms >= 5000 && t.ms < 8000 })
			},
		},
		{
			name: "timestamps waver", ladder: two, step: 100,
			change: func(tags []tag) []tag {
				return from(tags, 0, func(t tag) int64 { return max(t.ms+int64(math.Round(9*math.Sin(float64(t.ms)))), 0) })
			},
		},
	}
}

// silentUntil leaves out the sound before ms, and tells of its format only then.
func silentUntil(tags []tag, ms int64) []tag {
	return delayed(tags, ms, true, func(t tag) bool { return !t.video })
}

// darkUntil leaves out the pictures before ms; announced says whether their format is told at once.
func darkUntil(tags []tag, ms int64, announced bool) []tag {
	return delayed(tags, ms, !announced, func(t tag) bool { return t.video })
}

func delayed(tags []tag, ms int64, withConfig bool, of func(tag) bool) (out []tag) {
	var config tag
	for _, t := range tags {
		switch {
		case of(t) && t.config() && withConfig:
			config = t
			continue
		case of(t) && !t.config() && t.ms < ms:
			continue
		case of(t) && config.body != nil:
			config.raw, config.ms = t.raw, t.ms
			out = append(out, config)
			config.body = nil
		}
		out = append(out, t)
	}
	return out
}

// TestSources plays every source through RTMP, ingest and the broadcast, and looks at all that viewers get.
func TestSources(t *testing.T) {
	s := newStudio(t)
	t.Run("matrix", func(t *testing.T) {
		for _, c := range sources() {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				c.run(t, s)
			})
		}
	})
}

func (c source) run(t *testing.T, s *studio) {
	first := c.of.record(t)
	tags, second := first, []tag(nil)
	if c.after != nil {
		second = c.after.record(t)
		tags = then(6000, first, second)
	}
	if c.change != nil {
		tags = c.change(tags)
	}
	if c.length == 0 {
		c.length = 12 * time.Second
	}
	w := s.play(t, slug(c.name), c.ladder, tags, c.length)
	if !strings.Contains(w.status, c.end) || c.end == "" && w.status != "" {
		t.Errorf("the encoder is told %q, want %q", w.status, c.end)
	}
	end, ok := w.events[len(w.events)-1].(hls.End)
	if !ok || !strings.Contains(end.Reason, c.end) {
		t.Errorf("the feed ends with %+v, want an end because of %q", w.events[len(w.events)-1], c.end)
	}
	all := w.playlists()
	c.names(w, all)
	w.aligned(all, c.apart)
	c.look(w, all, c.expected(t, tags, first, second))
}

// expected is the claps of what is sent.
func (c source) expected(t *testing.T, tags, first, second []tag) claps {
	t.Helper()
	switch {
	case c.claps != nil:
		return c.claps(t, first, second)
	case c.least < 0:
		return claps{}
	case second == nil:
		return clapsOf(t, tags)
	}
	all := clapsOf(t, then(6000, first, nil))
	if c.end != "" {
		return all
	}
	more := clapsOf(t, second)
	for _, f := range more.flashes {
		all.flashes = append(all.flashes, f+6000)
	}
	for _, b := range more.beeps {
		all.beeps = append(all.beeps, b+6000)
	}
	return all
}

func (c source) names(w *show, all []playlist) {
	w.Helper()
	want := c.renditions
	if want == nil {
		want = []string{"source"}
		for r := range strings.SplitSeq(c.ladder, "|") {
			if name, _, ok := strings.Cut(r, "@"); ok {
				want = append(want, name)
			}
		}
		want = append(want, "audio")
	}
	var got []string
	for _, p := range all {
		got = append(got, p.Name)
	}
	if !slices.Equal(got, want) {
		w.Fatalf("renditions are %v, want %v", got, want)
	}
}

// look decodes all renditions, and compares what they show with the source.
func (c source) look(w *show, all []playlist, in claps) {
	w.Helper()
	var source scene
	var tones []float64
	for i, p := range all {
		if d := p.end() - c.length; d < -150*time.Millisecond || d > 150*time.Millisecond {
			w.Errorf("%s ends at %v, want %v", p.Name, p.end(), c.length)
		}
		c.cuts(w, p)
		if p.Kind == hls.Audio {
			tones = w.listen(p)
			if p.gaps() > 0 {
				w.Errorf("%s has gaps of %v, want silence", p.Name, p.gaps())
			}
			continue
		}
		s := w.watch(p)
		if d := p.gaps() - c.gaps; d < -400*time.Millisecond || d > 400*time.Millisecond {
			w.Errorf("%s has gaps of %v, want %v", p.Name, p.gaps(), c.gaps)
		}
		if i == 0 {
			source = s
			w.pictures(p)
			w.smooth(p, s, max(c.step, 70*float64(b2i(c.step == 0))))
			continue
		}
		w.same(p, s, source)
		w.smooth(p, s, max(2*c.step, 140*float64(b2i(c.step == 0))))
	}
	if c.least >= 0 {
		w.inTime(in, source, tones, max(c.least, 9*b2i(c.least == 0)))
	}
}

// cuts looks at how segments begin, and where discontinuities are.
func (c source) cuts(w *show, p playlist) {
	w.Helper()
	_, at := p.starts()
	near := func(a, b time.Duration) bool { return (a - b).Abs() < 40*time.Millisecond }
	if !slices.EqualFunc(at, c.discontinuities, near) {
		w.Errorf("%s has discontinuities at %v, want %v", p.Name, at, c.discontinuities)
	}
	for i, k := range p.chunks {
		if i > 0 && k.MSN == p.chunks[i-1].MSN || k.gap || k.Independent {
			continue
		}
		if p.Name == "source" && !c.open && c.gaps == 0 || p.Name != "source" && !c.uneven && c.gaps == 0 {
			w.Errorf("%s: segment %d at %v does not begin with an IDR", p.Name, k.MSN, k.Start)
		}
	}
}
