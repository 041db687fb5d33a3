package packager_test

import (
	"testing"
	"testing/synctest"

	"github.com/pharos-live/pharos/internal/hls"
	"github.com/pharos-live/pharos/runner/packager"
)

// TestDiscontinuitySequence_CountsPerRendition changes the source's format twice.
func TestDiscontinuitySequence_CountsPerRendition(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, packager.Tracks{Source: sourceVideo(), ListSource: true, Audio: &packager.Audio{Config: stereo48k}}, nil, nil)
		for n := range int64(8 * 30) { // four GOPs of two seconds
			if sps := [][]byte{testSPS, otherSPS}[n/60%2]; n%60 == 0 && n < 180 {
				if err := r.p.SetSource(sps, testPPS); err != nil {
					t.Fatal(err)
				}
			}
			if err := r.p.Source(packager.Sample{DTS: n * 3000, PTS: n * 3000, Key: n%60 == 0, Data: []byte{0, 0, 0, 1, 5}, Seq: uint64(n + 1)}); err != nil {
				t.Fatal(err)
			}
		}
		r.finish()
		want := []uint64{0, 1, 2, 2} // by segment
		for _, e := range r.events {
			var p hls.Part
			switch e := e.(type) {
			case hls.Part:
				p = e
			case hls.Gap:
				p = hls.Part(e)
			default:
				continue
			}
			if p.MSN < 4 && p.DiscontinuitySequence != want[p.MSN] {
				t.Errorf("part %d of rendition %d, segment %d: got number %d, want %d", p.Number, p.Rendition, p.MSN, p.DiscontinuitySequence, want[p.MSN])
			}
		}
		for _, s := range r.older {
			if s.MSN < 4 && s.DiscontinuitySequence != want[s.MSN] {
				t.Errorf("segment %d of rendition %d: got number %d, want %d", s.MSN, s.Rendition, s.DiscontinuitySequence, want[s.MSN])
			}
		}
		if len(r.older) < 8 {
			t.Errorf("got %d segments, want four of each rendition", len(r.older))
		}
	})
}

// TestMeasured_StatesWhatCame holds that the bit rates of the take are those of the
// first second.
func TestMeasured_StatesWhatCame(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, packager.Tracks{Source: sourceVideo(), ListSource: true, Audio: &packager.Audio{Config: stereo48k}}, nil, nil)
		select {
		case <-r.p.Measured():
			t.Error("measured before anything came")
		default:
		}
		for n := range int64(40) {
			if err := r.p.Source(packager.Sample{DTS: n * 3000, PTS: n * 3000, Key: n == 0, Data: make([]byte, 20_000), Seq: uint64(n + 1)}); err != nil {
				t.Fatal(err)
			}
		}
		for n := range int64(60) {
			if err := r.p.Audio(packager.Sample{DTS: n * 1920, PTS: n * 1920, Data: make([]byte, 853)}); err != nil {
				t.Fatal(err)
			}
		}
		<-r.p.Measured()
		// 4.8 Mbit/s and 320 kbit/s, and what fMP4 adds.
		for _, rendition := range r.p.Renditions() {
			low, high := 4_800_000, 4_810_000
			if rendition.Kind == hls.Audio {
				low, high = 319_000, 328_000
			}
			if a := rendition.AverageBandwidth; a < low || a > high || rendition.Bandwidth != a*11/10 {
				t.Errorf("%s: average %d, peak %d; want %d to %d, and a tenth more", rendition.Name, a, rendition.Bandwidth, low, high)
			}
		}
		r.finish()
	})
}

// TestMeasured_AlsoByTheEnd lets a broadcast of a few frames be announced.
func TestMeasured_AlsoByTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, packager.Tracks{Source: sourceVideo(), ListSource: true}, nil, nil)
		r.finish()
		<-r.p.Measured()
		if got := r.p.Renditions()[0]; got.Bandwidth <= 0 || got.VideoRange != hls.SDR {
			t.Errorf("got %+v", got)
		}
	})
}
