package hlscheck_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/fmp4"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/fmp4/seekablebuffer"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/mp4/codecs"

	"github.com/pharos-live/pharos/internal/hls"
	"github.com/pharos-live/pharos/internal/hls/hlscheck"
)

const (
	base      = "/hls/01JD/"
	partsEach = 6
	step      = time.Second / 3
	ms        = time.Millisecond
)

var began = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// A script is a good broadcast, and what of it one client fetches.
type script struct {
	segments int
	parts    int           // of a segment; 0 = partsEach
	target   time.Duration // 0 = 4 s
	window   time.Duration // 0 = 1 h
	media    bool          // parts, segments and init sections are fetched
	end      bool
	open     int // parts of the last segment, which stays open
	lag      int // parts that audio comes late
	short    int // parts that audio ends early
	disc     int // the segment that begins with a discontinuity; 0: none
}

// A show is what was fetched, to be broken.
type show struct {
	t       *testing.T
	script  script
	model   *hls.Broadcast
	fetches []*hlscheck.Fetch
	at      time.Time
	waiting []*waiter
	next    []place // where each rendition goes on
}

type place struct {
	number, msn, part uint64
	discs             uint64
}

// A waiter is a request that is held.
type waiter struct {
	fetch     *hlscheck.Fetch
	rendition string
	d         hls.Directives
}

var renditions = []hls.Rendition{
	{Name: "source", Kind: hls.Video, Codecs: "avc1.64000c", Width: 352, Height: 288, FrameRate: 30, Bandwidth: 2_200_000, AverageBandwidth: 2_000_000},
	{Name: "low", Kind: hls.Video, Codecs: "avc1.64000c", Width: 352, Height: 288, FrameRate: 30, Bandwidth: 660_000, AverageBandwidth: 600_000},
	{Name: "audio", Kind: hls.Audio, Codecs: "mp4a.40.2", Bandwidth: 170_000, AverageBandwidth: 160_000, Channels: 2, SampleRate: 48_000},
}

// play runs the script and fetches everything that the rules are about.
func play(t *testing.T, c script) *show {
	t.Helper()
	if c.parts == 0 {
		c.parts = partsEach
	}
	if c.target == 0 {
		c.target = 4 * time.Second
	}
	if c.window == 0 {
		c.window = time.Hour
	}
	s := &show{t: t, script: c, model: hls.NewBroadcast("01JD"), at: began, next: make([]place, len(renditions))}
	s.apply(hls.Take{
		Renditions: renditions, TargetDuration: c.target, PartTarget: 350 * ms, Window: c.window, Anchor: began,
	})
	total := c.segments*c.parts + c.open
	for n := range total {
		s.at = s.at.Add(step)
		var events []hls.Event
		for i, r := range renditions {
			late := r.Kind == hls.Audio && n < c.lag
			over := r.Kind == hls.Audio && n >= total-c.short
			if !late && !over {
				events = append(events, s.part(i)...)
			}
		}
		s.apply(events...)
		s.answer()
		if n+1 >= c.parts+c.lag { // there is a playlist
			s.look(n)
		}
	}
	if c.end {
		s.at = s.at.Add(step / 2)
		s.apply(hls.End{})
		s.answer()
		s.lookAtEnd()
	}
	return s
}

func (s *show) apply(events ...hls.Event) {
	s.t.Helper()
	if err := s.model.Apply(events...); err != nil {
		s.t.Fatal(err)
	}
}

// part is the next part of a rendition, and the end of its segment with the last.
func (s *show) part(i int) []hls.Event {
	at := &s.next[i]
	disc := s.script.disc > 0 && at.msn == uint64(s.script.disc)
	if disc && at.part == 0 {
		at.discs++
	}
	start := func(n uint64) time.Duration { return time.Duration(n) * time.Second / 3 }
	p := hls.Part{
		Rendition: i, Number: at.number, MSN: at.msn, Start: start(at.number), Duration: start(at.number+1) - start(at.number),
		Independent: at.part == 0 || renditions[i].Kind == hls.Audio, Init: "aa", Term: 1,
		Discontinuity: disc, DiscontinuitySequence: at.discs,
	}
	at.number, at.part = at.number+1, at.part+1
	events := []hls.Event{p}
	if at.part == uint64(s.script.parts) && at.msn < uint64(s.script.segments) {
		events = append(events,
			hls.Close{Rendition: i, MSN: at.msn, Duration: start(at.number) - start(at.number-at.part)},
			hls.Object{Rendition: i, MSN: at.msn, Term: 1})
		at.msn, at.part = at.msn+1, 0
	}
	return events
}

// look is what the client does in one state.
func (s *show) look(n int) {
	if n+1 == s.script.parts+s.script.lag {
		for range 2 {
			s.multivariant()
		}
	}
	for i, r := range renditions {
		s.fetch(r.Name, hls.Directives{}, "", 2*ms)
		s.fetch(r.Name, hls.Directives{Skip: true}, "?_HLS_skip=YES", 3*ms)
		at := s.next[i]
		s.wait(r.Name, hls.Directives{HasMSN: true, MSN: at.msn, HasPart: true, Part: at.part})
		if at.part == 1 {
			s.wait(r.Name, hls.Directives{HasMSN: true, MSN: at.msn})
		}
		if at.part == uint64(s.script.parts-1) {
			s.wait(r.Name, hls.Directives{HasMSN: true, MSN: at.msn, HasPart: true, Part: at.part + 1})
		}
		if s.script.media {
			s.files(i, at)
		}
	}
	if n == 2*s.script.parts+2 {
		s.oddities()
	}
}

// files fetches the hinted part, the newest one, and what closed with it.
func (s *show) files(i int, at place) {
	name := renditions[i].Name
	uri := func(n uint64) string { return fmt.Sprintf("%s%s/p%d.m4s", base, name, n) }
	s.add(uri(at.number), 200, fragmentOf(i, at.number, 1), 3*ms, step+2*ms) // held until it is there
	s.add(uri(at.number-1), 200, fragmentOf(i, at.number-1, 1), 4*ms, 5*ms)
	if parts := uint64(s.script.parts); at.part == 0 {
		s.add(fmt.Sprintf("%s%s/s%d.m4s", base, name, at.msn-1), 200, fragmentOf(i, at.number-parts, parts), 6*ms, 7*ms)
		s.add(base+name+"/init-aa.mp4", 200, initOf(i), 6*ms, 7*ms)
	}
}

// oddities are requests that a broken client makes.
func (s *show) oddities() {
	at := s.next[0]
	for query, status := range map[string]int{
		"?_HLS_part=1": 400, "?_HLS_msn=-1": 400,
		fmt.Sprintf("?_HLS_msn=%d", at.msn+100):                      400,
		fmt.Sprintf("?_HLS_msn=%d&_HLS_part=%d", at.msn, at.part+50): 400,
		"?_HLS_msn=0": 200,
		"?token=abc":  200,
	} {
		var body []byte
		if status == 200 {
			body = s.text("source", hls.Directives{})
		}
		s.add(base+"source/index.m3u8"+query, status, body, 10*ms, 11*ms)
	}
	near := s.wait("source", hls.Directives{HasMSN: true, MSN: at.msn + 1})
	near.fetch.Sent = s.at.Add(10 * ms)
	s.add(base+"source/p9999.m4s", 404, nil, 10*ms, 11*ms)
}

func (s *show) lookAtEnd() {
	for _, r := range renditions {
		s.fetch(r.Name, hls.Directives{}, "", 2*ms)
		s.fetch(r.Name, hls.Directives{}, "?_HLS_msn=999", 3*ms)
	}
}

func (s *show) text(rendition string, d hls.Directives) []byte {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	cancel()
	p, err := s.model.Media(ctx, rendition, d)
	if err != nil {
		s.t.Fatalf("%s %+v: %v", rendition, d, err)
	}
	return p.Text()
}

func (s *show) fetch(rendition string, d hls.Directives, query string, sent time.Duration) {
	s.add(base+rendition+"/index.m3u8"+query, 200, s.text(rendition, d), sent, sent+ms)
}

func (s *show) multivariant() {
	p, err := s.model.Multivariant(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	s.add("/live/main/index.m3u8", 200, p.Text(), 0, ms)
}

// wait begins a request that is held.
func (s *show) wait(rendition string, d hls.Directives) *waiter {
	query := fmt.Sprintf("?_HLS_msn=%d", d.MSN)
	if d.HasPart {
		query += fmt.Sprintf("&_HLS_part=%d", d.Part)
	}
	w := &waiter{rendition: rendition, d: d, fetch: &hlscheck.Fetch{URL: base + rendition + "/index.m3u8" + query, Sent: s.at.Add(5 * ms)}}
	s.waiting = append(s.waiting, w)
	return w
}

// answer gives those who are held what there is now.
func (s *show) answer() {
	var still []*waiter
	ctx, cancel := context.WithCancel(s.t.Context())
	cancel()
	for _, w := range s.waiting {
		p, err := s.model.Media(ctx, w.rendition, w.d)
		if err != nil {
			still = append(still, w)
			continue
		}
		s.finish(w.fetch, 200, p.Text(), s.at.Add(ms))
	}
	s.waiting = still
}

func (s *show) add(url string, status int, body []byte, sent, done time.Duration) {
	s.finish(&hlscheck.Fetch{URL: url, Sent: s.at.Add(sent)}, status, body, s.at.Add(done))
}

func (s *show) finish(f *hlscheck.Fetch, status int, body []byte, done time.Time) {
	f.Status, f.Body, f.Done, f.FirstByte, f.Proto, f.Gzip = status, bytes.Clone(body), done, done, "HTTP/2.0", true
	f.Header = s.header(f)
	if strings.HasSuffix(f.URL, ".m4s") && status == 200 {
		hop := http.Header{}
		hop.Set("Access-Control-Allow-Origin", "*")
		hop.Set("Cache-Control", "public, max-age=3600")
		f.Hops = []hlscheck.Hop{{Status: 302, Header: hop}}
	}
	s.fetches = append(s.fetches, f)
}

// header is what a good server says of an answer.
func (s *show) header(f *hlscheck.Fetch) http.Header {
	h := http.Header{}
	set := func(name, value string) { h.Set(name, value) }
	set("Access-Control-Allow-Origin", "*")
	set("Access-Control-Expose-Headers", "Age, Date, ETag")
	set("Content-Length", fmt.Sprint(len(f.Body)))
	target := int(s.script.target / time.Second)
	switch {
	case f.Status != 200:
		set("Cache-Control", "public, max-age=1")
	case !strings.Contains(f.URL, ".m3u8"):
		set("Content-Type", "video/mp4")
		set("Cache-Control", "public, max-age=31536000, immutable")
	default:
		set("Content-Type", "application/vnd.apple.mpegurl")
		set("Content-Encoding", "gzip")
		set("Vary", "Accept-Encoding")
		set("Cache-Control", fmt.Sprintf("public, max-age=%d", max(1, target/2)))
		if strings.Contains(f.URL, "_HLS_msn") {
			set("Cache-Control", fmt.Sprintf("public, max-age=%d", 6*target))
		}
	}
	return h
}

// check is the names of the rules that the show breaks.
func (s *show) check(o hlscheck.Options) []hlscheck.Violation {
	var all []hlscheck.Fetch
	for _, f := range s.fetches {
		all = append(all, *f)
	}
	return hlscheck.Check(all, o)
}

var (
	testSPS = []byte{
		0x67, 0x64, 0x00, 0x0c, 0xac, 0x3b, 0x50, 0xb0, 0x4b, 0x42, 0x00, 0x00, 0x03, 0x00, 0x02, 0x00, 0x00, 0x03, 0x00, 0x3d, 0x08,
	}
	testPPS = []byte{0x68, 0xee, 0x3c, 0x80}
)

// Ticks and frames of a part of a third of a second.
var (
	scales = []uint32{90_000, 90_000, 48_000}
	frames = []int{10, 10, 16}
)

func initOf(i int) []byte {
	var codec codecs.Codec = &codecs.H264{SPS: testSPS, PPS: testPPS}
	if renditions[i].Kind == hls.Audio {
		codec = &codecs.MPEG4Audio{Config: mpeg4audio.AudioSpecificConfig{Type: 2, SampleRate: 48_000, ChannelConfig: 2}}
	}
	init := fmp4.Init{Tracks: []*fmp4.InitTrack{{ID: 1, TimeScale: scales[i], Codec: codec}}}
	var b seekablebuffer.Buffer
	if err := init.Marshal(&b); err != nil {
		panic(err)
	}
	return bytes.Replace(b.Bytes(), []byte("mp42"), []byte("iso6"), 1)
}

// fragmentOf is count parts from a number on, as one file.
func fragmentOf(i int, number, count uint64) []byte {
	var all []byte
	for n := number; n < number+count; n++ {
		frame := scales[i] / 3 / uint32(frames[i])
		var samples []*fmp4.Sample
		for k := range frames[i] {
			offset := int32(0)
			if renditions[i].Kind == hls.Video && k == 1 {
				offset = 1 // there are composition offsets
			}
			samples = append(samples, &fmp4.Sample{
				Duration: frame, PTSOffset: offset, IsNonSyncSample: renditions[i].Kind == hls.Video && (k > 0 || n%partsEach > 0),
				Payload: bytes.Repeat([]byte{byte(n), byte(k)}, 50),
			})
		}
		part := fmp4.Part{SequenceNumber: uint32(n), Tracks: []*fmp4.PartTrack{{ID: 1, BaseTime: n * uint64(scales[i]) / 3, Samples: samples}}}
		var b seekablebuffer.Buffer
		if err := part.Marshal(&b); err != nil {
			panic(err)
		}
		all = append(all, b.Bytes()...)
	}
	return all
}
