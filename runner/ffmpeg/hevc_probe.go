package ffmpeg

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
)

// ProbeH265 tells whether the ffmpeg at path ("" = "ffmpeg" in PATH) can do what H.265 asks for beyond the
// ladder, as [Probe] does: the first of rungs in H.265, by libx265, or without rungs the one of
// [DefaultRung]. Its error is one line that says what is missing and how to mend it. It blocks for about
// 0.1 s, at most 10 s.
func ProbeH265(ctx context.Context, path string, rungs []Rung) error {
	if len(rungs) == 0 {
		return Probe(ctx, path, []Rung{DefaultRung(Source{Width: 1280, Height: 720, FPS: defaultFPS})})
	}
	file, err := exec.LookPath(cmp.Or(path, "ffmpeg"))
	if err != nil {
		return fmt.Errorf("%w: install ffmpeg, or leave SUPPORTS_H265 at false", err)
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	const side = 64 // pixels, grey
	o := WithH265([]Output{{Rung: rungs[0], Width: side, Height: side}})[1]
	args := []string{
		"-hide_banner", "-nostdin", "-nostats", "-loglevel", "error",
		"-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", fmt.Sprintf("%dx%d", side, side), "-i", "pipe:0", "-frames:v", "1",
	}
	args = append(args, x265(Spec{Source: Source{Width: side, Height: side}, Segment: DefaultSegment}, o)...)
	cmd := command(ctx, file, append(args, "-f", "nut", "-write_index", "0", "pipe:1")...)
	cmd.Stdin = bytes.NewReader(bytes.Repeat([]byte{128}, side*side*3/2))
	stderr := &lineLog{log: slog.New(slog.DiscardHandler)}
	cmd.Stderr = stderr
	out, err := cmd.Output()
	switch {
	case context.Cause(ctx) != nil:
		return fmt.Errorf("test encode in H.265 with %s: %w", file, context.Cause(ctx))
	case err != nil:
		return fmt.Errorf("%s cannot encode by libx265: install an ffmpeg that was built with it, or leave SUPPORTS_H265 at false: %w",
			file, &ExitError{Lines: stderr.finish(), Err: err})
	}
	nut := NewReader(bytes.NewReader(out))
	p, err := nut.Next()
	if err == nil && !IsIDR265(p.Data) {
		err = errors.New("the first frame is no keyframe")
	}
	if err != nil {
		return fmt.Errorf("read ffmpeg's test encode of %s: %w", o.Name(), err)
	}
	return nil
}
