package ffmpeg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"strconv"
	"time"
)

// Stills asks for pictures of the source as JPEG, made beside the rungs or instead of them. They leave
// on the file descriptor behind the last rung's, as NUT too, so that each carries its source frame's PTS.
//
// Within a ladder they cost an encode of a small picture now and then, and nothing is decoded for them.
// Without outputs the process is meant to be given the keyframes alone of which a picture is wanted
// ([Process.WriteKeyframe]).
type Stills struct {
	Width, Height int // of the picture, even; a source of another shape is scaled into it
	// Every is the raster: a picture of the first keyframe at or after each multiple of it, counted from
	// the first frame that the process gets. 0 = a picture of every keyframe written.
	Every time.Duration
}

// FitWithin is the size of src scaled down into a box, by its aspect ratio: even, never larger than src.
func FitWithin(src Source, width, height int) (w, h int) {
	scale := min(float64(width)/float64(src.Width), float64(height)/float64(src.Height), 1)
	return snap(math.Round, float64(src.Width)*scale, 2), snap(math.Round, float64(src.Height)*scale, 2)
}

func (s Stills) validate() error {
	if s.Width <= 0 || s.Height <= 0 || s.Width%2 != 0 || s.Height%2 != 0 || s.Every < 0 {
		return fmt.Errorf("stills of %d by %d pixels every %v: want even sizes and no negative time", s.Width, s.Height, s.Every)
	}
	return nil
}

// args are the arguments of the output for stills.
//
//   - The range is made full, as JPEG's is, and said so: with pixel format yuvj420p instead ffmpeg warns
//     of itself at every start.
//   - -threads 1: frame threads of the JPEG encoder would hold pictures back until later ones come.
//   - passing and download are the backend's: how timestamps are kept, and how pictures that are on a card
//     come down from it, behind select.
func (s Stills) args(passing []string, download string, fd int) []string {
	args := append([]string{"-map", "0:v:0"}, passing...)
	return append(args,
		"-vf", s.selectExpr()+fmt.Sprintf(",%sscale=%d:%d:flags=area:out_range=pc,setsar=1,format=yuv420p", download, s.Width, s.Height),
		"-c:v", "mjpeg", "-q:v", "4", "-threads", "1", "-color_range", "pc", "-strict", "unofficial",
		"-f", "nut", "-write_index", "0", "-flush_packets", "1", "pipe:"+strconv.Itoa(fd),
	)
}

// selectExpr keeps the first keyframe of each step of the raster; half a tick is added so that rounding
// decides nothing. Without a raster it keeps the first of the copies of a keyframe.
func (s Stills) selectExpr() string {
	const half = 0.5 / TimeScale
	if s.Every == 0 {
		return fmt.Sprintf(`select=key*(isnan(prev_selected_t)+gt(t-prev_selected_t\,%.6f))`, float64(maxReorder+1)/TimeScale)
	}
	step := func(t string) string { return fmt.Sprintf("floor((%s-start_t+%.9f)/%g)", t, half, s.Every.Seconds()) }
	return fmt.Sprintf(`select=key*(isnan(prev_selected_t)+gt(%s\,%s))`, step("t"), step("prev_selected_t"))
}

// stillsOnlyArgs is the argument list of a process without outputs: it decodes in one thread, in
// software whatever encodes elsewhere. The least probe size is enough, as the headers say all; with that of
// a ladder a small first keyframe, as of a black picture, would wait for the next one.
func stillsOnlyArgs(s Stills) []string {
	return append([]string{
		"-hide_banner", "-nostdin", "-nostats", "-loglevel", "warning",
		"-copyts", "-probesize", "32", "-analyzeduration", "0",
		"-threads", "1", "-flags", "low_delay", "-f", "nut", "-i", "pipe:0",
	}, s.args(passing, "", 3)...)
}

// pipesOut is how many pipes ffmpeg writes to.
func (s Spec) pipesOut() int {
	if s.Stills != nil {
		return len(s.Outputs) + 1
	}
	return len(s.Outputs)
}

// readStills hands on the pictures. Nothing that is wrong with them ends the process, whose rungs matter
// more; the pipe is emptied in any case.
func (p *Process) readStills(out io.Reader) {
	defer func() { _, _ = io.Copy(io.Discard, out) }()
	r := NewReader(out)
	for {
		packet, err := r.Next()
		if err != nil {
			return
		}
		p.o.OnStill(packet)
	}
}

// WriteKeyframe is Write for a process without outputs, which is given keyframes alone. held is how many
// pictures the decoder holds back before it gives one out, as it does for a stream with B-frames: so many
// copies go behind the keyframe, a tick apart, so that its picture comes out now and not with a later one.
func (p *Process) WriteKeyframe(f Packet, held int) error {
	for range min(max(held, 0), maxReorder) + 1 {
		if err := p.Write(f); err != nil {
			return err
		}
		f.PTS++
	}
	return nil
}

// errStills is a process that was started for nothing, or whose pictures nobody takes.
var errStills = errors.New("Spec.Stills and OnStill go together")

// probeStills tells whether ffmpeg can make stills: every ladder has them, and an encoder that is missing
// would end it.
func probeStills(ctx context.Context, file string) error {
	const side = 64
	cmd := command(ctx, file, append([]string{
		"-hide_banner", "-nostdin", "-nostats", "-loglevel", "error",
		"-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", fmt.Sprintf("%dx%d", side, side), "-i", "pipe:0",
	}, Stills{Width: side, Height: side}.args(passing, "", 1)...)...)
	cmd.Stdin = bytes.NewReader(bytes.Repeat([]byte{128}, side*side*3/2))
	stderr := &lineLog{log: slog.New(slog.DiscardHandler)}
	cmd.Stderr = stderr
	out, err := cmd.Output()
	if cause := context.Cause(ctx); cause != nil {
		return fmt.Errorf("test picture with %s: %w", file, cause)
	}
	if err != nil {
		return fmt.Errorf("%s cannot make JPEG pictures (its encoder mjpeg): %w", file, &ExitError{Lines: stderr.finish(), Err: err})
	}
	if _, err := NewReader(bytes.NewReader(out)).Next(); err != nil {
		return fmt.Errorf("read ffmpeg's test picture: %w", err)
	}
	return nil
}
