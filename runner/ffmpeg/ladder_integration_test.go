//go:build integration

package ffmpeg_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pharos-live/pharos/runner/ffmpeg"
)

// A frame is what matters of a packet that came out.
type frame struct {
	ms  float64
	idr bool
}

// The proof of the predictor, and of what the package promises: PTS are those of the source, keyframes
// are IDRs, and between them IDRs come as counted.
func TestLadder_FramesAndIDRsAreAsPredicted(t *testing.T) {
	for _, tt := range []struct {
		name    string
		rate    string
		fps     float64
		segment time.Duration
		encoder []string
		depth   int // ReorderDepth that is said; -1 = the true one
	}{
		{"60 fps, keyframe each 2 s", "60", 60, 2 * time.Second, []string{"-tune", "zerolatency", "-g", "120"}, -1},
		{"60 fps, odd keyframes", "60", 60, 2 * time.Second, []string{"-tune", "zerolatency", "-g", "1000", "-force_key_frames", "0.02,0.5,1.183,2.35,4.0,5.517,6.1"}, -1},
		{"60 fps, GOP of 8.33 s", "60", 60, 2 * time.Second, []string{"-tune", "zerolatency", "-g", "500"}, -1},
		{"30 fps, GOP of 8.33 s", "30", 30, 2 * time.Second, []string{"-tune", "zerolatency", "-g", "250"}, -1},
		{"29.97 fps, GOP of 8.33 s", "30000/1001", 30000. / 1001, 2 * time.Second, []string{"-tune", "zerolatency", "-g", "250"}, -1},
		{"59.94 fps, GOP of 8.33 s", "60000/1001", 60000. / 1001, 2 * time.Second, []string{"-tune", "zerolatency", "-g", "500"}, -1},
		{"50 fps", "50", 50, time.Second, []string{"-tune", "zerolatency", "-g", "250"}, -1},
		{"25 fps", "25", 25, 2 * time.Second, []string{"-tune", "zerolatency", "-g", "250"}, -1},
		{"144 fps", "144", 144, time.Second, []string{"-tune", "zerolatency", "-g", "500"}, -1},
		{"60 fps, B-frames, OBS's GOP", "60", 60, 2 * time.Second, []string{"-bf", "3", "-b-pyramid", "normal", "-g", "250"}, -1},
		{"60 fps, B-frames nobody told of", "60", 60, 2 * time.Second, []string{"-bf", "3", "-b-pyramid", "normal", "-g", "250"}, 0},
		{"30 fps, B-frames, GOP of 8.33 s", "30", 30, 2 * time.Second, []string{"-bf", "2", "-g", "250"}, -1},
		{"30 fps, open GOPs", "30", 30, 2 * time.Second, []string{"-bf", "2", "-g", "100", "-x264-params", "open-gop=1"}, -1},
		{"30 fps, wrongly said to be 60", "30", 60, 2 * time.Second, []string{"-tune", "zerolatency", "-g", "250"}, -1},
		{"30 ms apart, as near as select allows", "100/3", 60, 2 * time.Second, []string{"-tune", "zerolatency", "-g", "250"}, -1},
		{"60 fps, rate unknown", "60", 0, 2 * time.Second, []string{"-tune", "zerolatency", "-g", "250"}, -1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := record(t, "testsrc2=s=320x180:d=11:r="+tt.rate, tt.fps, tt.encoder...)
			o := v.options(t, "180p60@400000|180p30@300000|90p30@100000")
			o.Segment = tt.segment
			if reordered := slices.Contains(tt.encoder, "-bf"); reordered != (v.stream.ReorderDepth > 0) {
				t.Fatalf("source has a reorder depth of %d", v.stream.ReorderDepth)
			}
			if tt.depth >= 0 {
				o.ReorderDepth = tt.depth
			}
			got := transcode(t, v, o)
			for i, out := range o.Outputs {
				p := ffmpeg.NewIDRPredictor(v.Source, out, tt.segment)
				var want []frame
				for _, f := range v.presented() {
					if leaves, idr := p.Frame(ffmpeg.Duration(f.PTS), f.Key); leaves {
						want = append(want, frame{float64(f.PTS) / 90, idr})
					}
				}
				var have []frame
				for _, f := range got.packets[i] {
					if f.Key != ffmpeg.IsIDR(f.Data) {
						t.Errorf("%s at %d: key %v, IDR %v", out.Name(), f.PTS, f.Key, ffmpeg.IsIDR(f.Data))
					}
					have = append(have, frame{float64(f.PTS) / 90, f.Key})
				}
				if diff := cmp.Diff(want, have, cmp.AllowUnexported(frame{})); diff != "" {
					t.Errorf("%s: %d frames, want %d (-want +got):\n%.2000s", out.Name(), len(have), len(want), diff)
				}
				checkStream(t, out, got.streams[i])
			}
		})
	}
}

func checkStream(t *testing.T, out ffmpeg.Output, s ffmpeg.Stream) {
	t.Helper()
	got := fmt.Sprintf("%s %dx%d reorder %d", s.FourCC, s.Width, s.Height, s.ReorderDepth)
	if want := fmt.Sprintf("H264 %dx%d reorder 0", out.Width, out.Height); got != want {
		t.Errorf("%s: stream: got %s, want %s", out.Name(), got, want)
	}
	if _, _, err := ffmpeg.ParameterSets(s.Extradata); err != nil {
		t.Errorf("%s: %v", out.Name(), err)
	}
}

func TestLadder_HoldsBitRates(t *testing.T) {
	const noise = "noise=alls=20:allf=t"
	for _, tt := range []struct {
		name, filter string
		fps          float64
		least        float64 // share of the rate asked for that must be used
	}{
		{"noise is busy", "testsrc2=s=640x360:r=60:d=24," + noise, 60, 0.9},
		{"a quiet half may use less", "testsrc2=s=640x360:r=60:d=24," + noise + ":enable='lt(mod(t,8),4)'", 60, 0},
		{"at the source's own rate", "testsrc2=s=640x360:r=30000/1001:d=24," + noise, 30000. / 1001, 0.9},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := record(t, tt.filter, tt.fps, "-tune", "zerolatency", "-g", "120", "-crf", "28")
			o := v.options(t, "360p30@1000000|180p30@300000")
			got := transcode(t, v, o)
			for i, out := range o.Outputs {
				var bits float64
				for _, p := range got.packets[i] {
					bits += 8 * float64(len(p.Data))
				}
				share := bits / 24 / float64(out.Bitrate)
				t.Logf("%s: %.1f %% of %d bit/s", out.Name(), 100*share, out.Bitrate)
				if share < tt.least || share > 1.1 {
					t.Errorf("%s: %.3f of the bit rate asked for, want %v to 1.1", out.Name(), share, tt.least)
				}
			}
		})
	}
}
