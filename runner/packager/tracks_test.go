package packager_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pharos-live/pharos/internal/hls"
	"github.com/pharos-live/pharos/runner/packager"
)

// silent are options of a packager that tells nobody.
func silentOptions() packager.Options {
	return packager.Options{
		Announce: func(context.Context, ...hls.Event) error { return nil },
		Older:    func(context.Context, hls.Segment) error { return nil },
	}
}

func TestNew_RefusesTracksThatMakeNoBroadcast(t *testing.T) {
	t.Parallel()
	rung := packager.Rung{Name: "360p30", Bitrate: 1}
	for name, tracks := range map[string]packager.Tracks{
		"nothing":                 {},
		"rungs of no video":       {Audio: &packager.Audio{Config: stereo48k}, Rungs: []packager.Rung{rung}},
		"video in no rendition":   {Source: sourceVideo()},
		"the same rung twice":     {Source: sourceVideo(), Rungs: []packager.Rung{rung, rung}},
		"a rung named source":     {Source: sourceVideo(), ListSource: true, Rungs: []packager.Rung{{Name: "source"}}},
		"a broken SPS":            {Source: &packager.Video{SPS: []byte{0x67, 1, 2, 3, 4}, PPS: testPPS}, ListSource: true},
		"no PPS":                  {Source: &packager.Video{SPS: testSPS}, ListSource: true},
		"a broken audio config":   {Audio: &packager.Audio{Config: []byte{0xff}}},
		"channels by a PCE":       {Audio: &packager.Audio{Config: []byte{0x11, 0x80}}},
		"an unheard-of frequency": {Audio: &packager.Audio{Config: []byte{0x17, 0xff, 0xff, 0xff, 0x90}}},
	} {
		if _, err := packager.New(testConfig(), tracks, newStore(), silentOptions()); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestPackager_RenditionsAreCompleteOnceReady(t *testing.T) {
	t.Parallel()
	p, err := packager.New(testConfig(), packager.Tracks{
		Source: &packager.Video{SPS: testSPS, PPS: testPPS}, ListSource: true,
		Rungs: []packager.Rung{{Name: "720p30", Width: 1280, Height: 720, FrameRate: 30, Bitrate: 2_000_000}},
	}, newStore(), silentOptions())
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Rung(0, packager.Sample{Key: true, Data: []byte{1}}); !errors.Is(err, packager.ErrNoFormat) {
		t.Errorf("a frame before SetRung gives %v, want %v", err, packager.ErrNoFormat)
	}
	select {
	case <-p.Ready():
		t.Error("ready before the rung has its format")
	default:
	}
	if err := p.SetRung(0, otherSPS, testPPS); err != nil {
		t.Fatal(err)
	}
	<-p.Ready()
	want := []hls.Rendition{
		{
			Name: "source", Kind: hls.Video, Codecs: "avc1.64000c", Width: 352, Height: 288, FrameRate: 15,
			Bandwidth: 300_000, AverageBandwidth: 300_000, VideoRange: hls.SDR,
		},
		{
			Name: "720p30", Kind: hls.Video, Codecs: "avc1.42c028", Width: 1280, Height: 720, FrameRate: 30,
			Bandwidth: 2_406_146, AverageBandwidth: 2_006_146, VideoRange: hls.SDR,
		},
		{
			Name: "audio", Kind: hls.Audio, Codecs: "mp4a.40.2", Bandwidth: 160_000, AverageBandwidth: 160_000,
			Channels: 2, SampleRate: 48_000,
		},
	}
	if diff := cmp.Diff(want, p.Renditions()); diff != "" {
		t.Errorf("renditions (-want +got):\n%s", diff)
	}
}
