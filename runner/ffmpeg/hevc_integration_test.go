//go:build integration

package ffmpeg_test

import (
	"bytes"
	"context"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pharos-live/pharos/runner/ffmpeg"
)

// record265 encodes what filter draws in H.265, with times in whole milliseconds, as RTMP has them.
func record265(t *testing.T, filter string, fps float64, params string, encoder ...string) video {
	t.Helper()
	needFFmpeg(t)
	mp4 := filepath.Join(t.TempDir(), "source.mp4")
	args := []string{"-v", "error", "-nostdin", "-f", "lavfi", "-i", filter, "-pix_fmt", "yuv420p", "-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=error:scenecut=0:" + params}
	run(t, append(append(args, encoder...), "-tag:v", "hvc1", "-video_track_timescale", "1000", mp4)...)
	nut := run(t, "-v", "error", "-nostdin", "-copyts", "-i", mp4, "-c", "copy", "-f", "nut", "pipe:1")
	v := video{}
	var err error
	if v.stream, v.packets, err = readAll(bytes.NewReader(nut)); err != nil {
		t.Fatal(err)
	}
	v.Source = ffmpeg.Source{Width: v.stream.Width, Height: v.stream.Height, FPS: fps}
	return v
}

// The predictor holds for H.265, too: in, out, or both.
func TestH265_FramesAndIDRsAreAsPredicted(t *testing.T) {
	for _, tt := range []struct {
		name  string
		video video
		codec string
	}{
		{"H.264 in", record(t, "testsrc2=s=320x180:d=7:r=60", 60, "-tune", "zerolatency", "-g", "1000", "-force_key_frames", "0.02,0.5,1.183,2.35,4.0,5.517"), ffmpeg.CodecH264},
		{"H.265 in, GOP of 5 s", record265(t, "testsrc2=s=320x180:d=7:r=30", 30, "open-gop=0", "-tune", "zerolatency", "-g", "150"), ffmpeg.CodecH265},
		{"H.265 in, B-frames", record265(t, "testsrc2=s=320x180:d=7:r=50", 50, "open-gop=0:bframes=3", "-g", "100"), ffmpeg.CodecH265},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := tt.video.options(t, "180p60@400000|90p30@100000")
			o.Codec, o.Outputs = tt.codec, ffmpeg.WithH265(o.Outputs)
			got := transcode(t, tt.video, o)
			for i, out := range o.Outputs {
				p := ffmpeg.NewIDRPredictor(tt.video.Source, out, ffmpeg.DefaultSegment)
				var want, have []frame
				for _, f := range tt.video.presented() {
					if leaves, idr := p.Frame(ffmpeg.Duration(f.PTS), f.Key); leaves {
						want = append(want, frame{float64(f.PTS) / 90, idr})
					}
				}
				isIDR, fourCC := ffmpeg.IsIDR, "H264"
				if out.Codec == ffmpeg.CodecH265 {
					isIDR, fourCC = ffmpeg.IsIDR265, "HEVC"
				}
				for _, f := range got.packets[i] {
					if f.Key != isIDR(f.Data) {
						t.Errorf("%s at %d: key %v, IDR %v", out.Name(), f.PTS, f.Key, isIDR(f.Data))
					}
					have = append(have, frame{float64(f.PTS) / 90, f.Key})
				}
				if diff := cmp.Diff(want, have, cmp.AllowUnexported(frame{})); diff != "" {
					t.Errorf("%s: %d frames, want %d (-want +got):\n%.2000s", out.Name(), len(have), len(want), diff)
				}
				if s := got.streams[i]; s.FourCC != fourCC || s.Width != out.Width || s.Height != out.Height || s.ReorderDepth != 0 {
					t.Errorf("%s: stream %+v", out.Name(), s)
				}
			}
		})
	}
}

func TestH265_HoldsBitRates(t *testing.T) {
	const noise = "noise=alls=20:allf=t"
	v := record(t, "testsrc2=s=640x360:r=60:d=10,"+noise, 60, "-tune", "zerolatency", "-g", "120", "-crf", "28")
	o := v.options(t, "360p30@1000000|180p60@500000")
	o.Outputs = ffmpeg.WithH265(o.Outputs)
	got := transcode(t, v, o)
	for i, out := range o.Outputs {
		var bits float64
		for _, p := range got.packets[i] {
			bits += 8 * float64(len(p.Data))
		}
		share := bits / 10 / float64(out.Bitrate)
		t.Logf("%s: %.1f %% of %d bit/s", out.Name(), 100*share, out.Bitrate)
		if share < 0.9 || share > 1.1 {
			t.Errorf("%s: %.3f of the bit rate asked for, want 0.9 to 1.1", out.Name(), share)
		}
	}
}

// New parameter sets of an H.265 source go in-band, and the picture is scaled into the rung.
func TestH265_SourceChangesItsSize(t *testing.T) {
	first := record265(t, "testsrc2=s=320x180:d=1:r=30", 30, "open-gop=0", "-tune", "zerolatency", "-g", "30")
	second := record265(t, "testsrc2=s=640x360:d=1:r=30", 30, "open-gop=0", "-tune", "zerolatency", "-g", "30")
	s := &sink{}
	o := first.options(t, "180p30@300000")
	o.Codec, o.Outputs, o.OnPacket, o.QueueFrames = ffmpeg.CodecH265, ffmpeg.WithH265(o.Outputs), s.take, 100
	p, err := ffmpeg.Start(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	later := slices.Clone(second.packets)
	for i := range later {
		later[i].PTS += ffmpeg.Ticks(time.Second)
	}
	for _, f := range first.packets {
		if err := p.Write(f); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Reconfigure(second.stream.Extradata); err != nil {
		t.Fatal(err)
	}
	for _, f := range later {
		if err := p.Write(f); err != nil {
			t.Fatal(err)
		}
	}
	p.CloseInput()
	if err := p.Wait(); err != nil {
		t.Fatal(err)
	}
	for i, out := range o.Outputs {
		if n := len(s.packets[i]); n != 60 || s.streams[i].Height != 180 {
			t.Errorf("%s: %d frames of %d lines, want 60 of 180", out.Name(), n, s.streams[i].Height)
		}
	}
}

func TestH265_NoFrameWaitsForTheNext(t *testing.T) {
	v := record265(t, "testsrc2=s=320x180:d=1:r=30", 30, "open-gop=0", "-tune", "zerolatency", "-g", "30")
	o := v.options(t, "180p30@300000")
	out := make(chan int64, 64)
	o.Codec, o.Outputs = ffmpeg.CodecH265, ffmpeg.WithH265(o.Outputs)
	o.OnPacket = func(_ int, _ ffmpeg.Stream, p ffmpeg.Packet) { out <- p.PTS }
	p, err := ffmpeg.Start(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range v.packets {
		if err := p.Write(f); err != nil {
			t.Fatal(err)
		}
		for range o.Outputs {
			select {
			case pts := <-out:
				if pts != f.PTS {
					t.Fatalf("frame %d: %d came out, want %d", i, pts, f.PTS)
				}
			case <-time.After(20 * time.Second):
				t.Fatalf("frame %d waits for the next one", i)
			}
		}
	}
	p.CloseInput()
	if err := p.Wait(); err != nil {
		t.Fatal(err)
	}
}

func TestProbe_H265(t *testing.T) {
	needFFmpeg(t)
	for name, rungs := range map[string][]ffmpeg.Rung{"with a ladder": ladder(t, "360p30@600000|240p30@300000"), "with none": nil} {
		if err := ffmpeg.Probe(t.Context(), "", ffmpeg.Software, rungs, true); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
