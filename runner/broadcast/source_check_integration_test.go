//go:build integration

package broadcast_test

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/bluenviron/mediacommon/v2/pkg/formats/fmp4"

	"github.com/pharos-live/pharos/ingest"
	"github.com/pharos-live/pharos/internal/hls"
)

// A chunk is a part or a gap as viewers get it.
type chunk struct {
	hls.Part
	gap     bool
	body    []byte
	samples []sample
}

// A sample is a frame as it stands in a part, in ticks of its track.
type sample struct {
	dts, duration, pts int64
	sync, idr          bool
}

// A playlist is one rendition, parts and all.
type playlist struct {
	hls.Rendition
	scale  int64 // of the chunks from the last init section on
	chunks []chunk
}

// playlists puts the events together, and holds each rendition to the rules that need no other.
func (w *show) playlists() []playlist {
	w.Helper()
	var take hls.Take
	var all []playlist
	closes := map[[2]uint64]time.Duration{}
	model := hls.NewBroadcast(w.id)
	for _, e := range w.events {
		if err := model.Apply(e); err != nil {
			w.Fatalf("the model refuses an event: %v", err)
		}
		switch e := e.(type) {
		case hls.Take:
			take = e
			for _, r := range e.Renditions {
				all = append(all, playlist{Rendition: r})
			}
		case hls.Part:
			w.chunk(&all[e.Rendition], e, false, take.PartTarget)
		case hls.Gap:
			w.chunk(&all[e.Rendition], hls.Part(e), true, take.PartTarget)
		case hls.Close:
			closes[[2]uint64{uint64(e.Rendition), e.MSN}] = e.Duration
		}
	}
	for i := range all {
		w.segments(&all[i], take.TargetDuration, closes, uint64(i))
	}
	return all
}

// chunk adds a part or gap: numbers and times without holes, none too long, tfdt as announced.
func (w *show) chunk(p *playlist, part hls.Part, gap bool, target time.Duration) {
	w.Helper()
	c := chunk{Part: part, gap: gap}
	if n := len(p.chunks); n > 0 {
		last := p.chunks[n-1]
		// Another sample rate is another timescale: the time is rounded to a sample.
		rounded := time.Duration(b2i(part.Init != last.Init)) * 20 * time.Microsecond
		if part.Number != last.Number+1 || (part.Start-last.Start-last.Duration).Abs() > rounded {
			w.Errorf("%s: part %d begins at %v, want number %d at %v", p.Name, part.Number, part.Start, last.Number+1, last.Start+last.Duration)
		}
	}
	if part.Duration <= 0 || part.Duration > target {
		w.Errorf("%s: part %d lasts %v, want at most %v", p.Name, part.Number, part.Duration, target)
	}
	if n := len(p.chunks); n == 0 || p.chunks[n-1].Init != part.Init {
		var init fmp4.Init
		if err := init.Unmarshal(bytes.NewReader(w.get(hls.InitKey(w.id, p.Name, part.Init)))); err != nil {
			w.Errorf("%s: init section %s: %v", p.Name, part.Init, err)
		}
		p.scale = int64(init.Tracks[0].TimeScale)
		if n > 0 && !part.Discontinuity {
			w.Errorf("%s: part %d has another init section without a discontinuity", p.Name, part.Number)
		}
	}
	if !gap {
		c.body = w.get(hls.PartKey(w.id, p.Name, part.Number, part.Term))
		c.samples = w.samples(p, c)
	}
	p.chunks = append(p.chunks, c)
}

// samples reads a part, by a parser that knows nothing of our writer.
func (w *show) samples(p *playlist, c chunk) []sample {
	w.Helper()
	var parts fmp4.Parts
	if err := parts.Unmarshal(c.body); err != nil || len(parts) != 1 {
		w.Fatalf("%s: part %d: %v", p.Name, c.Number, err)
	}
	var out []sample
	at := int64(parts[0].Tracks[0].BaseTime)
	if want := ticks(c.Start, p.scale); at != want {
		w.Errorf("%s: part %d has tfdt %d, announced at %d", p.Name, c.Number, at, want)
	}
	for _, s := range parts[0].Tracks[0].Samples {
		out = append(out, sample{
			dts: at, duration: int64(s.Duration), pts: at + int64(s.PTSOffset),
			sync: !s.IsNonSyncSample, idr: p.Kind == hls.Audio || idr(s.Payload),
		})
		if s.Duration == 0 || s.Duration > uint32(p.scale) {
			w.Errorf("%s: part %d: a frame lasts %d ticks", p.Name, c.Number, s.Duration)
		}
		at += int64(s.Duration)
	}
	if want := ticks(c.Start+c.Duration, p.scale); at != want {
		w.Errorf("%s: part %d ends at %d, announced until %d", p.Name, c.Number, at, want)
	}
	if first := out[0]; c.Independent != (first.sync && first.idr) {
		w.Errorf("%s: part %d: INDEPENDENT is %v, and it begins with an IDR %v", p.Name, c.Number, c.Independent, first.idr)
	}
	return out
}

// idr tells whether a picture has a slice of an IDR.
func idr(picture []byte) bool {
	for len(picture) > 4 {
		n := int(picture[0])<<24 | int(picture[1])<<16 | int(picture[2])<<8 | int(picture[3])
		if picture[4]&0x1f == 5 {
			return true
		}
		picture = picture[4+n:]
	}
	return false
}

func ticks(d time.Duration, scale int64) int64 {
	return int64(math.Round(d.Seconds() * float64(scale)))
}

// segments compares segments with their parts, and with their objects.
func (w *show) segments(p *playlist, target time.Duration, closes map[[2]uint64]time.Duration, rendition uint64) {
	w.Helper()
	for i := 0; i < len(p.chunks); {
		msn, sum, gaps := p.chunks[i].MSN, time.Duration(0), 0
		var body []byte
		for ; i < len(p.chunks) && p.chunks[i].MSN == msn; i++ {
			sum += p.chunks[i].Duration
			body = append(body, p.chunks[i].body...)
			gaps += b2i(p.chunks[i].gap)
		}
		if d := closes[[2]uint64{rendition, msn}] - sum; d < -time.Microsecond || d > time.Microsecond {
			w.Errorf("%s: segment %d lasts %v, its parts %v", p.Name, msn, closes[[2]uint64{rendition, msn}], sum)
		}
		if sum.Round(time.Second) > target {
			w.Errorf("%s: segment %d lasts %v, want at most %v", p.Name, msn, sum, target)
		}
		if len(body) > 0 && !bytes.Equal(body, w.get(hls.SegmentKey(w.id, p.Name, msn, 7))) {
			w.Errorf("%s: segment %d is not its parts (%d of them gaps)", p.Name, msn, gaps)
		}
	}
}

// starts are where segments begin, and which of them with a discontinuity.
func (p playlist) starts() (at, discontinuities []time.Duration) {
	for i, c := range p.chunks {
		if i == 0 || c.MSN != p.chunks[i-1].MSN {
			at = append(at, c.Start)
			if c.Discontinuity {
				discontinuities = append(discontinuities, c.Start)
			}
		}
	}
	return at, discontinuities
}

// gaps is how much of a rendition is missing.
func (p playlist) gaps() (d time.Duration) {
	for _, c := range p.chunks {
		if c.gap {
			d += c.Duration
		}
	}
	return d
}

func (p playlist) end() time.Duration {
	if len(p.chunks) == 0 {
		return 0
	}
	last := p.chunks[len(p.chunks)-1]
	return last.Start + last.Duration
}

// aligned compares the renditions: segments begin at the same times, to the tick in video and to a
// frame in audio, and so do discontinuities; apart is what they may differ by where frames come unevenly.
func (w *show) aligned(all []playlist, apart time.Duration) {
	w.Helper()
	at, cuts := all[0].starts()
	for _, p := range all[1:] {
		frame := apart
		if p.Kind == hls.Audio {
			frame += 1024 * time.Second / time.Duration(p.scale)
		}
		near := func(a, b time.Duration) bool { return a-b <= frame && b-a <= frame }
		gotAt, gotCuts := p.starts()
		if !slices.EqualFunc(at, gotAt, near) {
			w.Errorf("segments of %s begin at %v, of %s at %v", p.Name, gotAt, all[0].Name, at)
		}
		if !slices.EqualFunc(cuts, gotCuts, near) {
			w.Errorf("discontinuities of %s are at %v, of %s at %v", p.Name, gotCuts, all[0].Name, cuts)
		}
		if d := p.end() - all[0].end(); d < -50*time.Millisecond || d > 150*time.Millisecond { // sound may be longer
			w.Errorf("%s ends at %v, %s at %v", p.Name, p.end(), all[0].Name, all[0].end())
		}
	}
}

// pictures compares the source rendition with the frames that came in: each is there, with its PTS.
func (w *show) pictures(p playlist) {
	w.Helper()
	var want, got []int64
	zero, config := int64(-1), false
	for _, f := range w.frames {
		if f.Kind != ingest.Video || f.Config {
			config = config || f.Config && f.Kind == ingest.Video
			continue
		}
		if zero < 0 && f.Key && config {
			zero = f.PTS()
		}
		if zero >= 0 && f.PTS() >= zero {
			want = append(want, f.PTS()-zero)
		}
	}
	for _, c := range p.chunks {
		for _, s := range c.samples {
			got = append(got, s.pts)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(want, got) {
		i := 0
		for i < min(len(want), len(got)) && want[i] == got[i] {
			i++
		}
		w.Errorf("%s has %d pictures, %d came; the first that differs is the %dth: %v, want %v", p.Name, len(got), len(want), i, got[i:min(i+3, len(got))], want[i:min(i+3, len(want))])
	}
}

// A scene is what a rendition shows: when each picture, in ms, and how bright.
type scene struct {
	at, light []float64
}

// runs are the stretches of a rendition with one init section, each as a file.
func (w *show) runs(p playlist) (files [][]byte, chunks [][]chunk) {
	for i, c := range p.chunks {
		if i == 0 || c.Init != p.chunks[i-1].Init {
			files = append(files, w.get(hls.InitKey(w.id, p.Name, c.Init)))
			chunks = append(chunks, nil)
		}
		n := len(files) - 1
		files[n] = append(files[n], c.body...)
		chunks[n] = append(chunks[n], c)
	}
	return files, chunks
}

// watch decodes a video rendition: every picture, in the order in which they are shown.
func (w *show) watch(p playlist) (s scene) {
	w.Helper()
	files, runs := w.runs(p)
	for i, file := range files {
		var pts []int64
		for _, c := range runs[i] {
			for _, s := range c.samples {
				pts = append(pts, s.pts)
			}
		}
		if len(pts) == 0 {
			continue
		}
		slices.Sort(pts)
		for j := range pts[1:] {
			if pts[j] == pts[j+1] {
				w.Errorf("%s: two pictures are shown at %d", p.Name, pts[j])
			}
		}
		light := lights(w.T, file)
		if len(light) != len(pts) {
			w.Errorf("%s: of %d pictures %d can be decoded", p.Name, len(pts), len(light))
			return s
		}
		for j := range pts {
			s.at = append(s.at, float64(pts[j])/90)
		}
		s.light = append(s.light, light...)
	}
	return s
}

// smooth holds that no picture is missing: none lasts longer than most, in ms.
func (w *show) smooth(p playlist, s scene, most float64) {
	w.Helper()
	for i := 1; i < len(s.at); i++ {
		if d := s.at[i] - s.at[i-1]; d > most || d <= 0 {
			w.Errorf("%s: a picture at %.0f ms comes %.1f ms after the one before, want at most %.0f", p.Name, s.at[i], d, most)
			return
		}
	}
}

// same holds that a rung shows at every time what the source shows.
func (w *show) same(p playlist, rung, source scene) {
	w.Helper()
	at := map[int64]float64{}
	for i := range source.at {
		at[int64(math.Round(source.at[i]*90))] = source.light[i]
	}
	for i := range rung.at {
		want, ok := at[int64(math.Round(rung.at[i]*90))]
		if !ok {
			w.Errorf("%s: the source has no picture at %.2f ms", p.Name, rung.at[i])
			return
		}
		if math.Abs(want-rung.light[i]) > 40 {
			w.Errorf("%s: the picture at %.2f ms is not the source's: brightness is %.0f, want %.0f", p.Name, rung.at[i], rung.light[i], want)
			return
		}
	}
}

// listen decodes the audio rendition: when tones begin, in ms.
func (w *show) listen(p playlist) (tones []float64) {
	w.Helper()
	files, runs := w.runs(p)
	for i, file := range files {
		var init fmp4.Init
		if err := init.Unmarshal(bytes.NewReader(file)); err != nil {
			w.Fatalf("%s: %v", p.Name, err)
		}
		rate := int(init.Tracks[0].TimeScale)
		var pts []int64
		for _, c := range runs[i] {
			for _, s := range c.samples {
				pts = append(pts, s.dts)
			}
		}
		sound := loudness(w.T, file)
		if len(sound) != 1024*len(pts) {
			w.Errorf("%s: %d samples can be decoded of %d frames", p.Name, len(sound), len(pts))
			return nil
		}
		for _, at := range beeps(sound, rate) {
			tones = append(tones, float64(pts[at/1024]+int64(at%1024))*1000/float64(rate))
		}
	}
	return tones
}

// inTime compares the distance of sound and picture at each clap with the source's, in ms: of every
// flash in the output, the source's is the next in order from the skip-th on. At least least claps must
// be heard.
func (w *show) inTime(c claps, s scene, tones []float64, least int) {
	w.Helper()
	var shown []float64
	for _, i := range flashes(s.light) {
		shown = append(shown, s.at[i])
	}
	skip := max(len(c.flashes)-len(shown), 0) // what came before the first keyframe
	heard, worst := 0, 0.0
	for i, f := range shown {
		if i+skip >= len(c.flashes) {
			w.Errorf("there are %d flashes, of %d in the source", len(shown), len(c.flashes))
			return
		}
		in := c.flashes[i+skip]
		beep := nearest(c.beeps, in)
		tone := nearest(tones, f+beep-in)
		if f+beep-in < 50 || math.Abs(beep-in) > 400 || math.Abs(tone-(f+beep-in)) > 400 {
			continue // silent, here or there; or begun before time zero, where frames are left out
		}
		heard++
		off := tone - f - (beep - in)
		if math.Abs(off) > math.Abs(worst) {
			worst = off
		}
	}
	if heard < least {
		w.Errorf("%d of %d claps are heard, want %d; flashes are at %.0f, tones at %.0f ms", heard, len(shown), least, shown, tones)
	}
	if math.Abs(worst) > 20 {
		w.Errorf("sound and picture are %.1f ms further apart than in the source, want at most 20", worst)
	}
	w.Logf("%d claps, at worst %.1f ms", heard, worst)
	if testing.Verbose() {
		w.Logf("flashes %.1f in, %.1f out; tones %.1f in, %.1f out", c.flashes, shown, c.beeps, tones)
	}
}

func nearest(all []float64, to float64) float64 {
	if len(all) == 0 {
		return math.Inf(1)
	}
	return slices.MinFunc(all, func(a, b float64) int { return cmp.Compare(math.Abs(a-to), math.Abs(b-to)) })
}

// String is for errors.
func (c chunk) String() string {
	return fmt.Sprintf("part %d of segment %d at %v for %v, gap %v", c.Number, c.MSN, c.Start, c.Duration, c.gap)
}
