package packager

import (
	"testing"
	"time"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"

	"github.com/pharos-live/pharos/internal/hls"
)

func TestMeter_MeasuresTheFirstSecond(t *testing.T) {
	t.Parallel()
	var m meter
	const size = 5000 // bytes, 30 times a second
	for n := range int64(30) {
		m.add(9000+n*3000, size)
		if m.done() {
			t.Fatalf("done after %d frames", n+1)
		}
	}
	if _, _, ok := m.rate(); ok {
		t.Error("less than a second told a rate")
	}
	m.add(9000+90_000, 1_000_000) // of the next second
	m.add(9000+93_000, 1_000_000)
	bits, frames, ok := m.rate()
	if !ok || bits != 30*size*8 || frames != 30 {
		t.Errorf("got %v bits and %v frames a second, %v; want %d and 30", bits, frames, ok, 30*size*8)
	}
}

// TestRungPeak_IsNeverExceededByAQuarter fills a rung's buffer of a second and then
// takes all that may come: Apple's rule 1.29.
func TestRungPeak_IsNeverExceededByAQuarter(t *testing.T) {
	t.Parallel()
	for _, target := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 10 * time.Second} {
		const rate = 2_000_000
		c := Config{TargetDuration: target}
		run := target.Seconds() / 2
		if worst, stated := rate*(run+1)/run, float64(c.rungPeak(rate)); worst > stated*1.25+1 || stated < rate*1.1-1 {
			t.Errorf("target %v: stated %.0f, possible %.0f", target, stated, worst)
		}
	}
}

// TestOverhead_IsWhatFragmentsAdd compares with fragments as they are written.
func TestOverhead_IsWhatFragmentsAdd(t *testing.T) {
	t.Parallel()
	c := Config{Part: 200 * time.Millisecond}
	for _, tt := range []struct {
		kind  hls.Kind
		rate  float64
		count int // frames in a part
	}{{hls.Video, 30, 6}, {hls.Video, 60, 12}, {hls.Audio, 50, 10}} {
		samples := make([]fragmentSample, tt.count)
		for i := range samples {
			samples[i] = fragmentSample{duration: 1, data: make([]byte, 100)}
		}
		added := len(writeFragment(1, tt.kind == hls.Video, samples)) - 100*tt.count
		if got, want := c.overhead(tt.kind, tt.rate), added*8*5; got != want {
			t.Errorf("kind %d at %v frames a second: got %d bits a second, want %d", tt.kind, tt.rate, got, want)
		}
	}
}

func TestVideoRange(t *testing.T) {
	t.Parallel()
	colour := func(transfer uint8) *h264.SPS_VUI {
		return &h264.SPS_VUI{ColourDescriptionPresentFlag: true, TransferCharacteristics: transfer}
	}
	for name, tt := range map[string]struct {
		vui  *h264.SPS_VUI
		want string
	}{
		"nothing is said":      {nil, hls.SDR},
		"colours are not said": {&h264.SPS_VUI{TransferCharacteristics: transferPQ}, hls.SDR},
		"BT.709":               {colour(1), hls.SDR},
		"PQ":                   {colour(16), hls.PQ},
		"HLG":                  {colour(18), hls.HLG},
	} {
		if got := videoRange(transfer(h264.SPS{VUI: tt.vui})); got != tt.want {
			t.Errorf("%s: got %s, want %s", name, got, tt.want)
		}
	}
}

func TestDisplayWidth(t *testing.T) {
	t.Parallel()
	shape := func(v h264.SPS_VUI) h264.SPS {
		v.AspectRatioInfoPresentFlag = true
		return h264.SPS{PicWidthInMbsMinus1: 44, PicHeightInMapUnitsMinus1: 35, FrameMbsOnlyFlag: true, VUI: &v} // 720x576
	}
	for name, tt := range map[string]struct {
		sps  h264.SPS
		want int
	}{
		"nothing is said": {h264.SPS{PicWidthInMbsMinus1: 44}, 720},
		"square":          {shape(h264.SPS_VUI{AspectRatioIdc: 1}), 720},
		"PAL at 16:9":     {shape(h264.SPS_VUI{AspectRatioIdc: 4}), 1047},
		"PAL at 4:3":      {shape(h264.SPS_VUI{AspectRatioIdc: 2}), 785},
		"extended":        {shape(h264.SPS_VUI{AspectRatioIdc: 255, SarWidth: 64, SarHeight: 45}), 1024},
		"unspecified":     {shape(h264.SPS_VUI{AspectRatioIdc: 255}), 720},
		"reserved":        {shape(h264.SPS_VUI{AspectRatioIdc: 99}), 720},
	} {
		if got := displayWidth(tt.sps); got != tt.want {
			t.Errorf("%s: got %d, want %d", name, got, tt.want)
		}
	}
}
