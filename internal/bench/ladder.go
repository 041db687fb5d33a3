package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/pharos-live/pharos/runner/ffmpeg"
)

// ladder is what the clip is encoded into.
const ladder = "720p30@2000000|360p30@600000"

// A work is what a ladder did with the clip.
type work struct {
	wall     time.Duration
	children time.Duration // CPU of ffmpeg
	own      time.Duration // CPU of this process meanwhile
}

// measureLadder encodes the same pictures with the same arguments in turns: by a Process, which
// writes them to ffmpeg and reads what comes back, and by ffmpeg alone, from a file to nowhere. Then
// it looks at the delay.
func (b *bench) measureLadder(ctx context.Context) error {
	spec, err := b.ladderSpec()
	if err != nil {
		return err
	}
	pictures := b.clip.video(b.ladder)
	file := filepath.Join(b.dir, "ladder.nut")
	if err := b.writeNUT(file, pictures); err != nil {
		return err
	}
	var ours, bare []work
	for i := range b.ladderRounds {
		b.progress("ladder: round %d of %d, %d pictures through %s", i+1, b.ladderRounds, len(pictures), ladder)
		err := inTurns(i,
			func() error { return b.timed(&ours, func() error { return b.encode(ctx, spec, pictures) }) },
			func() error { return b.timed(&bare, func() error { return encodeBare(ctx, spec, file) }) },
		)
		if err != nil {
			return err
		}
	}
	b.reportWork(ours, bare)
	return b.measureDelay(ctx, spec)
}

func (b *bench) reportWork(ours, bare []work) {
	for _, f := range []struct {
		what string
		of   func(work) time.Duration
	}{
		{"CPU of ffmpeg", func(w work) time.Duration { return w.children }},
		{"CPU of ffmpeg and of this process", func(w work) time.Duration { return w.children + w.own }},
		{"time", func(w work) time.Duration { return w.wall }},
	} {
		o, r := pick(ours, f.of), pick(bare, f.of)
		b.report.add(row{
			what:    fmt.Sprintf("ladder %s as fast as it goes: %s", shown(ladder), f.what),
			samples: fmt.Sprintf("median of %d rounds of %v of media", len(o), b.ladder),
			ours:    fmt.Sprintf("%.2f s", median(o).Seconds()),
			bare:    fmt.Sprintf("%.2f s", median(r).Seconds()),
			ratio:   ratio(o, r),
		})
	}
}

// shown is a ladder in a table's cell.
func shown(ladder string) string { return strings.ReplaceAll(ladder, "|", " and ") }

// inTurns calls both, and begins with another one each round.
func inTurns(round int, a, b func() error) error {
	if round%2 == 1 {
		a, b = b, a
	}
	if err := a(); err != nil {
		return err
	}
	return b()
}

func (b *bench) timed(all *[]work, f func() error) error {
	began, own, children := time.Now(), processTime(), childrenTime()
	if err := f(); err != nil {
		return err
	}
	*all = append(*all, work{wall: time.Since(began), own: processTime() - own, children: childrenTime() - children})
	return nil
}

func (b *bench) ladderSpec() (ffmpeg.Spec, error) {
	rungs, err := ffmpeg.ParseLadder(ladder)
	if err != nil {
		return ffmpeg.Spec{}, err
	}
	src := ffmpeg.Source{Width: clipWidth, Height: clipHeight, FPS: clipRate}
	return ffmpeg.Spec{Source: src, Outputs: ffmpeg.Fit(rungs, src)}, nil
}

// stream is the clip as NUT's headers tell of it.
func (b *bench) stream() ffmpeg.Stream {
	return ffmpeg.Stream{FourCC: "H264", Width: clipWidth, Height: clipHeight, Extradata: b.clip.config(), FrameRate: clipRate}
}

func (b *bench) writeNUT(path string, pictures []ffmpeg.Packet) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w, err := ffmpeg.NewWriter(f, b.stream())
	for i := 0; i < len(pictures) && err == nil; i++ {
		err = w.Write(pictures[i])
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	return err
}

// encode takes all pictures through a Process whose queue has room for them.
func (b *bench) encode(ctx context.Context, spec ffmpeg.Spec, pictures []ffmpeg.Packet) error {
	var out atomic.Int64
	p, err := ffmpeg.Start(ctx, ffmpeg.Options{
		Spec: spec, Config: b.clip.config(),
		QueueFrames: len(pictures), QueueBytes: 1 << 30,
		OnPacket: func(int, ffmpeg.Stream, ffmpeg.Packet) { out.Add(1) },
	})
	if err != nil {
		return err
	}
	for _, f := range pictures {
		if err == nil {
			err = p.Write(f)
		}
	}
	p.CloseInput()
	if waited := p.Wait(); err == nil {
		err = waited
	}
	// Half of the pictures stay in each rung.
	if want := int64(len(pictures) * len(spec.Outputs) / 2); err == nil && out.Load() < want {
		err = fmt.Errorf("%d packets came out, want %d", out.Load(), want)
	}
	return err
}

// encodeBare runs ffmpeg with the very arguments of a Process, from a file to /dev/null.
func encodeBare(ctx context.Context, spec ffmpeg.Spec, path string) error {
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer out.Close()
	cmd, err := bareCommand(ctx, spec)
	if err != nil {
		return err
	}
	cmd.Stdin = in
	for range spec.Outputs {
		cmd.ExtraFiles = append(cmd.ExtraFiles, out)
	}
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("bare ffmpeg: %w: %s", err, said)
	}
	return nil
}

func bareCommand(ctx context.Context, spec ffmpeg.Spec) (*exec.Cmd, error) {
	args, err := ffmpeg.Args(spec)
	if err != nil {
		return nil, err
	}
	return exec.CommandContext(ctx, "ffmpeg", args...), nil
}
