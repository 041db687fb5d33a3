package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"time"

	"github.com/pharos-live/pharos/ingest"
	"github.com/pharos-live/pharos/internal/serve"
	"github.com/pharos-live/pharos/runner/ffmpeg"
)

// The clip: what an encoder at its usual settings sends, on a picture that fills its bit rate.
const (
	clipWidth, clipHeight, clipRate = 1280, 720, 60
	clipFormat                      = "720p60 H.264 and AAC"
	clipBitrate                     = 6_000_000
	clipGOP                         = 2 * clipRate
)

// ticksPerSecond is the rate of frames' times.
const ticksPerSecond = 90_000

// A clip is a publish as ingest parsed it: configurations and frames in the order in which they
// came.
type clip struct {
	frames []ingest.Frame
}

// makeClip encodes length of a test picture and takes it in by RTMP, as fast as it goes.
func makeClip(ctx context.Context, length time.Duration) (*clip, error) {
	ln, err := serve.Listen("the clip's RTMP address", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	t := &taker{done: make(chan struct{}), over: make(chan struct{})}
	srv, err := ingest.NewServer(ingest.HandlerFunc(func(context.Context, ingest.Publish) (ingest.Sink, error) {
		return t, nil
	}), ingest.Options{Idle: time.Minute})
	if err != nil {
		return nil, err
	}
	err = serve.Run(ctx,
		func(ctx context.Context) error { return srv.Serve(ctx, ln) },
		func(ctx context.Context) error {
			if err := encodeClip(ctx, ln.Addr(), length); err != nil {
				return err
			}
			select {
			case <-t.over:
				return t.reason
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		})
	if err != nil {
		return nil, err
	}
	c := &clip{frames: t.frames}
	if got, want := len(c.video(length)), int(length.Seconds()*clipRate); got < want*9/10 {
		return nil, fmt.Errorf("%d pictures came in, want about %d", got, want)
	}
	return c, ctx.Err()
}

func encodeClip(ctx context.Context, addr net.Addr, length time.Duration) error {
	bits := fmt.Sprint(clipBitrate)
	gop := fmt.Sprint(clipGOP)
	cmd := exec.CommandContext(ctx, "ffmpeg", "-hide_banner", "-loglevel", "error", "-nostdin",
		"-f", "lavfi", "-i", fmt.Sprintf("testsrc2=size=%dx%d:rate=%d,noise=alls=12:allf=t", clipWidth, clipHeight, clipRate),
		"-f", "lavfi", "-i", "sine=frequency=220:beep_factor=4:sample_rate=48000",
		"-t", fmt.Sprintf("%.3f", length.Seconds()),
		"-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-pix_fmt", "yuv420p",
		"-b:v", bits, "-maxrate", bits, "-bufsize", bits, "-g", gop, "-keyint_min", gop, "-sc_threshold", "0",
		"-c:a", "aac", "-b:a", "128k", "-ac", "2",
		"-f", "flv", "rtmp://"+addr.String()+"/live/clip")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("ffmpeg: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

// A taker is a Sink that keeps all it is given.
type taker struct {
	frames []ingest.Frame
	done   chan struct{} // never closed: the publish ends by itself
	over   chan struct{} // closed once it has
	reason error
}

func (t *taker) Write(f ingest.Frame) error {
	t.frames = append(t.frames, f)
	return nil
}

func (t *taker) Close(reason error) {
	if !errors.Is(reason, ingest.ErrLeft) { // ffmpeg has ended well: what it sent is there
		t.reason = reason
	}
	close(t.over)
}

func (t *taker) Done() <-chan struct{} { return t.done }

func (t *taker) Err() error { return nil }

// at is a frame's time, in which it leaves the encoder.
func at(f ingest.Frame) time.Duration {
	return time.Duration(f.DTS) * time.Second / ticksPerSecond
}

// first is the clip's frames up to length.
func (c *clip) first(length time.Duration) []ingest.Frame {
	n := 0
	for n < len(c.frames) && (c.frames[n].Config || at(c.frames[n]) < length) {
		n++
	}
	return c.frames[:n]
}

// video is the pictures up to length, as ffmpeg takes them.
func (c *clip) video(length time.Duration) []ffmpeg.Packet {
	var all []ffmpeg.Packet
	for _, f := range c.first(length) {
		if f.Kind == ingest.Video && !f.Config {
			all = append(all, ffmpeg.Packet{PTS: f.PTS(), Key: f.Key, Data: f.Payload})
		}
	}
	return all
}

// config is the AVC configuration record in force.
func (c *clip) config() []byte {
	for _, f := range c.frames {
		if f.Kind == ingest.Video && f.Config {
			return f.Payload
		}
	}
	return nil
}

// length is how long the clip lasts, but for its last frame.
func (c *clip) length() time.Duration {
	var end time.Duration
	for _, f := range c.frames {
		end = max(end, at(f))
	}
	return end
}

// bitrate is the clip's bits per second, audio included.
func (c *clip) bitrate() float64 {
	var bytes int64
	for _, f := range c.frames {
		bytes += int64(len(f.Payload))
	}
	return float64(bytes) * 8 / c.length().Seconds()
}

func (c *clip) String() string {
	return fmt.Sprintf("%s, %.1f s, %d pictures, %.2f Mbit/s, a keyframe every %d s, no B-frames",
		clipFormat, c.length().Seconds(), len(c.video(c.length()+time.Second)), c.bitrate()/1e6, clipGOP/clipRate)
}
