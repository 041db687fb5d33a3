package ffmpeg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"time"
)

const probeTimeout = 10 * time.Second

// Probe tells whether the ffmpeg at path ("" = "ffmpeg" in PATH) can encode rungs, and stills beside
// them, by having it encode one frame with the arguments that these get, into NUT, and reading that. Its error is one
// line that says what is missing and how to mend it. Without rungs no ffmpeg is needed, and Probe
// returns nil at once; otherwise it blocks for about 0.2 s, at most 10 s.
func Probe(ctx context.Context, path string, rungs []Rung) error {
	if len(rungs) == 0 {
		return nil
	}
	if path == "" {
		path = "ffmpeg"
	}
	file, err := exec.LookPath(path)
	switch {
	case err != nil && !strings.Contains(path, "/"):
		return fmt.Errorf("%s not found in PATH: install ffmpeg, or leave TRANSCODE empty", path)
	case err != nil:
		return fmt.Errorf("%s cannot be run: %w", path, err)
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	out, said, err := probeEncode(ctx, file, rungs[0])
	if err == nil {
		if err := checkProbe(out, rungs[0]); err != nil {
			return err
		}
		return probeStills(ctx, file)
	}
	if cause := context.Cause(ctx); cause != nil {
		return fmt.Errorf("test encode with %s: %w", file, cause)
	}
	if !hasEncoder(ctx, file, "libx264") {
		return fmt.Errorf("%s has no encoder libx264: install an ffmpeg that was built with it, or leave TRANSCODE empty", file)
	}
	return fmt.Errorf("%s cannot encode (5.1 or later is needed): %w", file, &ExitError{Lines: said, Err: err})
}

// A probe's picture is as small as x264 likes, and grey.
const probeSide = 64

// probeEncode encodes one frame as for r, and returns the NUT file and what ffmpeg said.
func probeEncode(ctx context.Context, file string, r Rung) (out []byte, said []string, err error) {
	o := Output{Rung: r, Width: probeSide, Height: probeSide, Decimate: true}
	args := []string{
		"-hide_banner", "-nostdin", "-nostats", "-loglevel", "error",
		"-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", fmt.Sprintf("%dx%d", probeSide, probeSide), "-i", "pipe:0",
		"-frames:v", "1",
	}
	args = append(args, encode(Source{Width: probeSide, Height: probeSide}, o, DefaultSegment)...)
	args = append(args, "-f", "nut", "-write_index", "0", "pipe:1")
	cmd := command(ctx, file, args...)
	cmd.Stdin = bytes.NewReader(bytes.Repeat([]byte{128}, probeSide*probeSide*3/2))
	stderr := &lineLog{log: slog.New(slog.DiscardHandler)}
	cmd.Stderr = stderr
	out, err = cmd.Output()
	return out, stderr.finish(), err
}

// checkProbe reads the test encode's only frame.
func checkProbe(out []byte, r Rung) error {
	nut := NewReader(bytes.NewReader(out))
	s, err := nut.Stream()
	if err == nil {
		_, _, err = ParameterSets(s.Extradata)
	}
	var p Packet
	if err == nil {
		p, err = nut.Next()
	}
	if err == nil && (!p.Key || !IsIDR(p.Data)) {
		err = errors.New("the first frame is no keyframe")
	}
	if err != nil {
		return fmt.Errorf("read ffmpeg's test encode of %s: %w", r.Name(), err)
	}
	return nil
}

// hasEncoder looks for name in ffmpeg's list, whose lines are like " V....D libx264  H.264 / AVC …".
// What cannot be listed counts as there, so that nothing is blamed without proof.
func hasEncoder(ctx context.Context, file, name string) bool {
	out, err := command(ctx, file, "-hide_banner", "-nostdin", "-loglevel", "error", "-encoders").Output()
	if err != nil {
		return true
	}
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); len(f) > 1 && f[1] == name {
			return true
		}
	}
	return false
}

// command is a short run of ffmpeg, as guarded as the long one.
func command(ctx context.Context, file string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, file, args...) //nolint:gosec // The operator says which ffmpeg.
	cmd.Env = environ(os.Environ())
	cmd.WaitDelay = DefaultGrace
	return cmd
}
