//go:build integration

package ffmpeg_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/pharos-live/pharos/runner/ffmpeg"
)

// needFFmpeg skips the test without ffmpeg, or fails it where the environment says that all tools are there.
func needFFmpeg(tb testing.TB) {
	tb.Helper()
	if _, err := exec.LookPath("ffmpeg"); err != nil {
		if os.Getenv("PHAROS_TEST_REQUIRE") == "1" {
			tb.Fatal(err)
		}
		tb.Skip(err)
	}
}

// A video is what an encoder would send over RTMP: AVC frames, and times in whole milliseconds.
type video struct {
	ffmpeg.Source
	stream  ffmpeg.Stream
	packets []ffmpeg.Packet
}

// record encodes what filter draws, by way of FLV, as RTMP would.
func record(tb testing.TB, filter string, fps float64, encoder ...string) video {
	tb.Helper()
	needFFmpeg(tb)
	flv := filepath.Join(tb.TempDir(), "source.flv")
	args := []string{"-v", "error", "-nostdin", "-f", "lavfi", "-i", filter, "-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "ultrafast", "-sc_threshold", "0"}
	run(tb, append(append(args, encoder...), flv)...)
	nut := run(tb, "-v", "error", "-nostdin", "-copyts", "-i", flv, "-c", "copy", "-f", "nut", "pipe:1")
	v := video{}
	var err error
	if v.stream, v.packets, err = readAll(bytes.NewReader(nut)); err != nil {
		tb.Fatal(err)
	}
	v.Source = ffmpeg.Source{Width: v.stream.Width, Height: v.stream.Height, FPS: fps}
	for _, p := range v.packets {
		if p.PTS%(ffmpeg.TimeScale/1000) != 0 {
			tb.Fatalf("PTS %d is no whole millisecond", p.PTS)
		}
	}
	return v
}

func run(tb testing.TB, args ...string) []byte {
	tb.Helper()
	cmd := exec.Command("ffmpeg", args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		tb.Fatalf("ffmpeg %q: %v: %s", args, err, &stderr)
	}
	return out
}

// presented is the frames in the order in which they are shown.
func (v video) presented() []ffmpeg.Packet {
	return slices.SortedFunc(slices.Values(v.packets), func(a, b ffmpeg.Packet) int { return int(a.PTS - b.PTS) })
}

func (v video) options(tb testing.TB, rungs string) ffmpeg.Options {
	tb.Helper()
	return ffmpeg.Options{
		Spec:         ffmpeg.Spec{Source: v.Source, Outputs: ffmpeg.Fit(ladder(tb, rungs), v.Source)},
		Config:       v.stream.Extradata,
		ReorderDepth: v.stream.ReorderDepth,
		QueueFrames:  len(v.packets) + 1,
		QueueBytes:   1 << 30,
	}
}

// A sink keeps what comes out.
type sink struct {
	mu      sync.Mutex // protects what follows
	streams map[int]ffmpeg.Stream
	packets map[int][]ffmpeg.Packet
	arrived map[int][]time.Time
}

func (s *sink) take(rung int, stream ffmpeg.Stream, p ffmpeg.Packet) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.streams == nil {
		s.streams, s.packets, s.arrived = map[int]ffmpeg.Stream{}, map[int][]ffmpeg.Packet{}, map[int][]time.Time{}
	}
	s.streams[rung] = stream
	s.packets[rung] = append(s.packets[rung], p)
	s.arrived[rung] = append(s.arrived[rung], now)
}

// count is how many packets of a rung have come.
func (s *sink) count(rung int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.packets[rung])
}

// transcode sends all of v through ffmpeg, as fast as it goes.
func transcode(tb testing.TB, v video, o ffmpeg.Options) *sink {
	tb.Helper()
	s := &sink{}
	o.OnPacket = s.take
	p, err := ffmpeg.Start(context.Background(), o)
	if err != nil {
		tb.Fatal(err)
	}
	for _, f := range v.packets {
		if err := p.Write(f); err != nil {
			tb.Fatal(err)
		}
	}
	p.CloseInput()
	if err := p.Wait(); err != nil {
		tb.Fatal(err)
	}
	if got := p.Stats(); got.Frames != 0 || got.Bytes != 0 || got.Taken != uint64(len(v.packets)) {
		tb.Errorf("stats: got %+v, want %d taken and nothing left", got, len(v.packets))
	}
	return s
}
