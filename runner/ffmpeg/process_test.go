package ffmpeg_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/pharos-live/pharos/runner/ffmpeg"
)

// config is an AVC configuration record that is well formed.
var config = []byte{1, 0x64, 0, 31, 0xFF, 0xE1, 0, 2, 0x67, 1, 1, 0, 1, 0x68}

func options(tb testing.TB) ffmpeg.Options {
	tb.Helper()
	src := ffmpeg.Source{Width: 640, Height: 360, FPS: 30}
	return ffmpeg.Options{
		Spec:     ffmpeg.Spec{Source: src, Outputs: ffmpeg.Fit(ladder(tb, "360p30@600000"), src)},
		Config:   config,
		OnPacket: func(int, ffmpeg.Stream, ffmpeg.Packet) {},
	}
}

func TestStart_RefusesBadOptions(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, want string
		change     func(*ffmpeg.Options)
	}{
		{"no program", "executable file not found", func(o *ffmpeg.Options) { o.Path = "no-such-ffmpeg" }},
		{"no callback", "no OnPacket", func(o *ffmpeg.Options) { o.OnPacket = nil }},
		{"no outputs", "no outputs", func(o *ffmpeg.Options) { o.Outputs = nil }},
		{"no configuration", "AVC configuration record", func(o *ffmpeg.Options) { o.Config = nil }},
		{"reorder depth", "reorder depth of 17: want 0 to 16", func(o *ffmpeg.Options) { o.ReorderDepth = 17 }},
		{"negative queue", "negative QueueFrames", func(o *ffmpeg.Options) { o.QueueFrames = -1 }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := options(t)
			tt.change(&o)
			_, err := ffmpeg.Start(t.Context(), o)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "start ffmpeg: ") {
				t.Errorf("got error %v, want one with %q", err, tt.want)
			}
		})
	}
}

func TestExitError_IsOneLine(t *testing.T) {
	t.Parallel()
	inner := errors.New("exit status 1")
	err := &ffmpeg.ExitError{Lines: []string{"first", "last"}, Err: inner}
	if got, want := err.Error(), "ffmpeg: exit status 1: last"; got != want || !errors.Is(err, inner) {
		t.Errorf("got %q, want %q, with its cause in the chain", got, want)
	}
	if got, want := (&ffmpeg.ExitError{Err: inner}).Error(), "ffmpeg: exit status 1"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
