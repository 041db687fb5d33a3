package broadcast

import (
	"encoding/hex"
	"testing"

	"github.com/google/go-cmp/cmp"

	broadcastv1 "github.com/pharos-live/pharos/proto/pharos/broadcast/v1"
)

// hvcC is a configuration as x265 writes it: 1280x720 at 30 fps.
var hvcC = func() []byte {
	b, err := hex.DecodeString("0101600000009000000000005df000fcfdf8f800000f03" +
		"a00001001840010c01ffff01600000030090000003000003005dba0240" +
		"a10001002942010101600000030090000003000003005da00280802d165ba4a4c2f0168080000003008000000f04" +
		"a2000100064401c0718312")
	if err != nil {
		panic(err)
	}
	return b
}()

// TestPlan_EveryLadderPlaysWithoutH265 holds what is made of a source, by its codec and the settings: where
// there is video, there is H.264.
func TestPlan_EveryLadderPlaysWithoutH265(t *testing.T) {
	t.Parallel()
	const h264, h265 = broadcastv1.Codec_CODEC_H264, broadcastv1.Codec_CODEC_H265
	for _, tt := range []struct {
		name   string
		codec  broadcastv1.Codec
		ladder string
		source bool // asked for
		twins  bool
		want   []string
	}{
		{"H.264, no ladder", h264, "", true, true, []string{"source"}},
		{"H.264 and a ladder", h264, "360p30@600000", true, true, []string{"source", "360p30", "360p30-h265"}},
		{"H.264 without the setting", h264, "360p30@600000", true, false, []string{"source", "360p30"}},
		{"H.264, lower than the ladder", h264, "1080p30@6000000", true, true, []string{"source"}},
		{"H.265, no ladder", h265, "", true, true, []string{"source", "720p30"}},
		{"H.265 and a ladder", h265, "360p30@600000", true, true, []string{"source", "360p30", "360p30-h265"}},
		{"H.265, a ladder instead of the source", h265, "360p30@600000", false, true, []string{"360p30", "360p30-h265"}},
		{"H.265, lower than the ladder", h265, "1080p30@6000000", false, true, []string{"720p30"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			record := hvcC
			if tt.codec == h264 {
				record = avcC // 640x360
			}
			tr := &tracks{}
			if err := tr.add(config(tt.codec, record)); err != nil {
				t.Fatal(err)
			}
			p, err := planOf(&broadcastv1.Spec{
				Packaging:   &broadcastv1.Packaging{SegmentNs: 2e9, TargetDurationNs: 4e9, PartNs: 333e6, WindowNs: 60e9},
				Transcoding: &broadcastv1.Transcoding{Ladder: tt.ladder, IncludeSource: tt.source, H265: tt.twins},
			})
			if err != nil {
				t.Fatal(err)
			}
			made := p.tracks(tr, p.outputs(tr.video))
			var got []string
			if made.ListSource {
				got = append(got, "source")
			}
			for _, r := range made.Rungs {
				got = append(got, r.Name)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("renditions (-want +got):\n%s", diff)
			}
			if isH265 := made.Source.Record != nil; isH265 != (tt.codec == h265) {
				t.Errorf("the source is packaged as %+v", made.Source)
			}
		})
	}
}

func TestReadVideo_H265(t *testing.T) {
	t.Parallel()
	v, err := readVideo(broadcastv1.Codec_CODEC_H265, hvcC)
	if err != nil || v.Width != 1280 || v.Height != 720 || v.FPS != 30 {
		t.Fatalf("got %+v, %v", v, err)
	}
	if video, _ := (&tracks{video: v}).describe(); video != "1280x720p30 h265" {
		t.Errorf("described as %q", video)
	}
	if _, err := readVideo(broadcastv1.Codec_CODEC_H265, hvcC[:40]); err == nil {
		t.Error("a broken configuration was taken")
	}
}
