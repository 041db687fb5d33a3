package packager

import (
	"bytes"
	"testing"

	"github.com/bluenviron/mediacommon/v2/pkg/formats/fmp4"
	"github.com/google/go-cmp/cmp"
)

func fragmentSamples(n, size int) []fragmentSample {
	samples := make([]fragmentSample, n)
	for i := range samples {
		samples[i] = fragmentSample{
			dts: 1<<33 + int64(i)*1500, duration: 1500, composition: int64(i%3-1) * 1500, sync: i == 0,
			data: bytes.Repeat([]byte{byte(i)}, size),
		}
	}
	return samples
}

func TestWriteFragment_IsReadByOthersAsItWasMeant(t *testing.T) {
	t.Parallel()
	for _, video := range []bool{true, false} {
		samples := fragmentSamples(12, 100)
		want := &fmp4.Part{SequenceNumber: 9, Tracks: []*fmp4.PartTrack{{ID: 1, BaseTime: 1 << 33}}}
		for i, s := range samples {
			w := &fmp4.Sample{Duration: 1500, Payload: s.data}
			if video {
				w.PTSOffset, w.IsNonSyncSample = int32(s.composition), i > 0
			}
			want.Tracks[0].Samples = append(want.Tracks[0].Samples, w)
		}
		var got fmp4.Parts
		if err := got.Unmarshal(writeFragment(9, video, samples)); err != nil {
			t.Fatalf("video %v: %v", video, err)
		}
		if diff := cmp.Diff(fmp4.Parts{want}, got); diff != "" {
			t.Errorf("video %v: part (-want +got):\n%s", video, diff)
		}
	}
}

func TestWriteFragment_AllocatesOnce(t *testing.T) {
	samples := fragmentSamples(12, 100)
	if n := testing.AllocsPerRun(100, func() { writeFragment(1, true, samples) }); n != 1 {
		t.Errorf("%v allocations, want 1", n)
	}
	if b := writeFragment(1, true, samples); len(b) != cap(b) {
		t.Errorf("%d bytes were made room for, %d are used", cap(b), len(b))
	}
}

func TestSilentFrame_OfMonoAndStereo(t *testing.T) {
	t.Parallel()
	// SCE: 000 0000, gain 00000000, ics_info 0 00 0 000000 0, flags 000, END 111.
	if got, want := silentFrame(1), []byte{0, 0, 0, 0b0000_0111}; !bytes.Equal(got, want) {
		t.Errorf("mono is %08b, want %08b", got, want)
	}
	// CPE: 001 0000 1, ics_info 11 bits, ms 00, twice (gain 8 bits, flags 000), END 111.
	if got, want := silentFrame(2), []byte{0b0010_0001, 0, 0, 0, 0, 0b0001_1100}; !bytes.Equal(got, want) {
		t.Errorf("stereo is %08b, want %08b", got, want)
	}
}

func TestPace_ALoneHoleChangesNothing(t *testing.T) {
	t.Parallel()
	p := newPace(25)
	at := int64(0)
	for range 10 {
		p.add(at)
		at += 1500
	}
	if got := p.add(at + 90_000); got != 1500 {
		t.Errorf("after a hole a frame is foreseen to last %d, want 1500", got)
	}
	at += 90_000
	for range 100 {
		at += 3000
		p.add(at)
	}
	if got := p.mean(); got != 3000 {
		t.Errorf("a frame is foreseen to last %d, want 3000, the new rate's", got)
	}
}

func TestTimescale_ThereAndBack(t *testing.T) {
	t.Parallel()
	for _, scale := range []timescale{90_000, 48_000, 44_100, 7350} {
		for _, ticks := range []int64{0, 1, 2, 89_999, 90_001, 3_333_333, 90_000 * 86_400 * 365} {
			if got := scale.from(videoScale.from(ticks, scale), videoScale); scale <= videoScale && got != ticks {
				t.Errorf("%d ticks of %d Hz come back as %d", ticks, scale, got)
			}
			if got := roundDiv(int64(scale.duration(ticks))%1e9*int64(scale), 1e9) + int64(scale.duration(ticks))/1e9*int64(scale); got != ticks {
				t.Errorf("%d ticks of %d Hz are %v, which is %d", ticks, scale, scale.duration(ticks), got)
			}
		}
	}
}

func BenchmarkWriteFragment(b *testing.B) {
	samples := fragmentSamples(12, 12_500)
	b.ReportAllocs()
	b.SetBytes(12 * 12_500)
	for b.Loop() {
		writeFragment(1, true, samples)
	}
}
