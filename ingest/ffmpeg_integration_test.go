//go:build integration

package ingest_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pharos-live/pharos/ingest"
)

// ffmpeg returns a command that publishes three seconds of 720p30 with B-frames, a keyframe every
// second, and a tone.
func ffmpeg(t *testing.T, url string, more ...string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	path, err := exec.LookPath("ffmpeg")
	if err != nil {
		if os.Getenv("PHAROS_TEST_REQUIRE") == "1" {
			t.Fatalf("ffmpeg is required: %v", err)
		}
		t.Skipf("no ffmpeg: %v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	args := []string{
		"-hide_banner", "-loglevel", "warning", "-nostdin",
		"-f", "lavfi", "-i", "testsrc2=size=1280x720:rate=30:duration=3",
		"-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000:duration=3",
		"-c:v", "libx264", "-preset", "veryfast", "-bf", "2", "-g", "30", "-sc_threshold", "0", "-pix_fmt", "yuv420p",
	}
	args = append(args, more...)
	if len(more) == 0 {
		args = append(args, "-c:a", "aac", "-ac", "2")
	}
	cmd := exec.CommandContext(ctx, path, append(args, "-f", "flv", url)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	return cmd, &stderr
}

func TestFFmpeg_Publishes(t *testing.T) {
	t.Parallel()
	s := newSink()
	var asked ingest.Publish
	addr := serveTCP(t, ingest.HandlerFunc(func(_ context.Context, p ingest.Publish) (ingest.Sink, error) {
		asked = p
		return s, nil
	}), plain)
	cmd, stderr := ffmpeg(t, "rtmp://"+addr+"/live/news_key?token=abc")
	if err := cmd.Run(); err != nil {
		t.Fatalf("ffmpeg: %v\n%s", err, stderr)
	}
	if err := <-s.ended; err != nil {
		t.Errorf("got reason %v, want a clean unpublish", err)
	}
	if asked.Key != "news_key" || asked.Query != "token=abc" || !strings.HasPrefix(asked.Encoder, "FMLE/3.0") {
		t.Errorf("got %+v", asked)
	}

	frames := s.got()
	if len(frames) < 2 || !frames[0].Config || !frames[1].Config {
		t.Fatalf("configurations do not come first: %v", summaries(frames)[:2])
	}
	var pts []int64
	var keys, sounds, reordered int
	for _, f := range frames[2:] {
		switch {
		case f.Config:
			t.Errorf("another configuration: %s", summary(f))
		case f.Kind == ingest.Audio:
			sounds++
		default:
			pts = append(pts, f.PTS())
			if f.Key {
				keys++
			}
			if f.CTS > 0 {
				reordered++
			}
		}
	}
	if len(pts) != 90 || keys != 3 {
		t.Errorf("got %d pictures with %d keyframes, want 90 and 3", len(pts), keys)
	}
	if sounds < 140 || sounds > 143 { // 3 s of 1,024 samples at 48 kHz, and priming
		t.Errorf("got %d audio frames, want about 141", sounds)
	}
	if reordered == 0 || slices.IsSorted(pts) {
		t.Error("no B-frames came")
	}
	slices.Sort(pts)
	for i := 1; i < len(pts); i++ {
		if step := pts[i] - pts[i-1]; step < 33*90 || step > 34*90 {
			t.Errorf("picture %d comes %d ticks after the one before", i, step)
		}
	}
	first := slices.IndexFunc(frames, func(f ingest.Frame) bool { return f.Kind == ingest.Video })
	config, err := ingest.ParseVideoConfig(frames[first].Payload)
	must(t, err)
	if config.Width != 1280 || config.Height != 720 || config.FPS != 30 {
		t.Errorf("got %v", config)
	}
}

func TestFFmpeg_IsToldWhy(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		path string
		more []string
		want string
	}{
		{"wrong key", "/live/wrong_key", nil, "stream key refused: the signature does not match"},
		{"wrong app", "/stream/news_key", nil, `unknown application "stream"`},
		{"MP3", "/live/news_key", []string{"-c:a", "libmp3lame", "-ar", "44100"}, "audio codec MP3 is not supported; set the encoder to AAC"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newSink()
			addr := serveTCP(t, ingest.HandlerFunc(func(_ context.Context, p ingest.Publish) (ingest.Sink, error) {
				if p.Key == "wrong_key" {
					return nil, &ingest.Refusal{Code: ingest.CodeDenied, Text: "stream key refused: the signature does not match"}
				}
				return s, nil
			}), plain)
			cmd, stderr := ffmpeg(t, "rtmp://"+addr+test.path, test.more...)
			cmd.Args = slices.Insert(cmd.Args, 1, "-re") // at speed, so that ffmpeg is there to read it
			if err := cmd.Run(); err == nil {
				t.Error("ffmpeg was content")
			}
			if !strings.Contains(stderr.String(), test.want) {
				t.Errorf("ffmpeg does not say %q:\n%s", test.want, stderr)
			}
		})
	}
}
