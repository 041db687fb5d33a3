package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/pharos-live/pharos/runner/ffmpeg"
)

// warmUp is how much of each turn is left out: ffmpeg is still starting.
const warmUp = 2 * time.Second

// A turn is the delays of one run of ffmpeg: where it fell behind, all of them are long, so turns
// are compared rather than packets.
type turn struct{ p50, p90 time.Duration }

// measureDelay gives pictures at their own pace, in turns, to a Process and to an ffmpeg with
// nothing but pipes around it, and notes when what they became is out.
func (b *bench) measureDelay(ctx context.Context, spec ffmpeg.Spec) error {
	pictures := b.clip.video(b.delay)
	var ours, bare []turn
	for i := range b.delayRounds {
		b.progress("ladder's delay: round %d of %d, %v each", i+1, b.delayRounds, b.delay)
		err := inTurns(i,
			func() error {
				return delays(&ours, pictures, func(s *stopwatch) error { return b.paced(ctx, spec, pictures, s) })
			},
			func() error {
				return delays(&bare, pictures, func(s *stopwatch) error { return b.pacedBare(ctx, spec, pictures, s) })
			},
		)
		if err != nil {
			return err
		}
	}
	for _, f := range []struct {
		what, samples string
		q             float64 // of the turns
		of            func(turn) time.Duration
	}{
		{"p50", "the quietest of %d turns of %v", 0, func(t turn) time.Duration { return t.p50 }},
		{"p50", "median of %d turns of %v", 0.5, func(t turn) time.Duration { return t.p50 }},
		{"p90", "median of %d turns of %v", 0.5, func(t turn) time.Duration { return t.p90 }},
	} {
		o, r := quantile(pick(ours, f.of), f.q), quantile(pick(bare, f.of), f.q)
		b.report.add(row{
			what:    "the same ladder at its own pace, picture in → packet out: " + f.what,
			samples: fmt.Sprintf(f.samples, b.delayRounds, b.delay-warmUp),
			ours:    ms(o) + " ms", bare: ms(r) + " ms", ratio: fmt.Sprintf("%.2f", float64(o)/float64(r)),
		})
	}
	return nil
}

// A stopwatch knows when each picture was due. It is safe for concurrent use.
type stopwatch struct {
	mu   sync.Mutex // protects all below
	in   map[int64]time.Time
	took map[int64][]time.Duration // by PTS, one for each rung
}

func (s *stopwatch) start(pts int64, due time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.in[pts] = due
}

func (s *stopwatch) stop(pts int64) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if in, ok := s.in[pts]; ok {
		s.took[pts] = append(s.took[pts], now.Sub(in))
	}
}

// delays adds a turn; its warm-up does not count.
func delays(all *[]turn, pictures []ffmpeg.Packet, run func(*stopwatch) error) error {
	s := &stopwatch{in: map[int64]time.Time{}, took: map[int64][]time.Duration{}}
	if err := run(s); err != nil {
		return err
	}
	from := pictures[0].PTS + int64(warmUp*ticksPerSecond/time.Second)
	var took []time.Duration
	for pts, d := range s.took {
		if pts >= from {
			took = append(took, d...)
		}
	}
	if len(took) == 0 {
		return errors.New("nothing came out of the ladder")
	}
	*all = append(*all, turn{median(took), quantile(took, 0.9)})
	return nil
}

// pace calls write for each picture when it is due. The stopwatch starts then, even where write
// still blocks for the picture before: a pipe that is full must not hide a delay.
func pace(ctx context.Context, pictures []ffmpeg.Packet, s *stopwatch, write func(ffmpeg.Packet) error) error {
	began := time.Now()
	for _, f := range pictures {
		due := began.Add(time.Duration(f.PTS-pictures[0].PTS) * time.Second / ticksPerSecond)
		if err := sleepUntil(ctx, due); err != nil {
			return err
		}
		s.start(f.PTS, due)
		if err := write(f); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) paced(ctx context.Context, spec ffmpeg.Spec, pictures []ffmpeg.Packet, s *stopwatch) error {
	p, err := ffmpeg.Start(ctx, ffmpeg.Options{
		Spec: spec, Config: b.clip.config(),
		OnPacket: func(_ int, _ ffmpeg.Stream, out ffmpeg.Packet) { s.stop(out.PTS) },
	})
	if err != nil {
		return err
	}
	err = pace(ctx, pictures, s, p.Write)
	p.CloseInput()
	return errors.Join(err, p.Wait())
}

// pacedBare is paced with a NUT on a pipe in, and one for each rung out.
func (b *bench) pacedBare(ctx context.Context, spec ffmpeg.Spec, pictures []ffmpeg.Packet, s *stopwatch) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd, err := bareCommand(ctx, spec)
	if err != nil {
		return err
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	outs := make([]*os.File, len(spec.Outputs))
	for i := range outs {
		r, w, err := os.Pipe()
		if err != nil {
			return err
		}
		defer r.Close()
		defer w.Close()
		outs[i] = r
		cmd.ExtraFiles = append(cmd.ExtraFiles, w)
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	for _, w := range cmd.ExtraFiles {
		w.Close() // ffmpeg's own copies are the last
	}
	var group errgroup.Group
	spawn := func(f func() error) {
		group.Go(func() error {
			err := f()
			if err != nil {
				cancel() // ffmpeg would wait for ever with a pipe that nobody reads
			}
			return err
		})
	}
	for _, r := range outs {
		spawn(func() error { return stopAll(r, s) })
	}
	spawn(func() error {
		defer in.Close()
		return b.feedBare(ctx, in, pictures, s)
	})
	return errors.Join(group.Wait(), cmd.Wait())
}

func (b *bench) feedBare(ctx context.Context, in io.Writer, pictures []ffmpeg.Packet, s *stopwatch) error {
	w, err := ffmpeg.NewWriter(in, b.stream())
	if err != nil {
		return err
	}
	return pace(ctx, pictures, s, w.Write)
}

// stopAll reads one rung to its end.
func stopAll(r io.Reader, s *stopwatch) error {
	nut := ffmpeg.NewReader(r)
	for {
		p, err := nut.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		s.stop(p.PTS)
	}
}
