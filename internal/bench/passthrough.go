package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"connectrpc.com/connect"
	"golang.org/x/sync/errgroup"

	broadcastv1 "github.com/pharos-live/pharos/proto/pharos/broadcast/v1"
)

// measurePassthrough runs several broadcasts without a ladder at their own pace, and then sends the
// same frames in the same way to a service that throws them away: what sending costs in this very
// process.
func (b *bench) measurePassthrough(ctx context.Context) error {
	b.progress("passthrough: %d broadcasts for %v", b.broadcasts, b.broadcast)
	var all, sending time.Duration
	err := b.withRig(ctx, func(ctx context.Context, r *rig) (err error) {
		all, err = b.cpuOf(ctx, r.frames, func(ctx context.Context, p *publish) error { return p.run(ctx, r) })
		return err
	})
	if err != nil {
		return err
	}
	b.progress("passthrough: the same frames into nothing")
	dir, err := os.MkdirTemp(b.dir, "nothing-")
	if err != nil {
		return err
	}
	err = withFrames(ctx, dir, nothing{}, func(ctx context.Context, socket string) (err error) {
		sending, err = b.cpuOf(ctx, socket, func(ctx context.Context, p *publish) error { return p.send(ctx) })
		return err
	})
	if err != nil {
		return err
	}
	total := time.Duration(b.broadcasts) * b.broadcast
	b.report.add(fmt.Sprintf("CPU per passthrough broadcast of %.2f Mbit/s, %d at once: share of one core", b.clip.bitrate()/1e6, b.broadcasts),
		cores(all, total), cores(sending, total)+" (frames sent to a service that drops them)", ratio([]time.Duration{all}, []time.Duration{sending}))
	return nil
}

// cpuOf is the CPU time of this process over b.broadcast, once all publishes are steady. They begin
// a little apart, so that their parts do not all end at once.
func (b *bench) cpuOf(ctx context.Context, socket string, run func(context.Context, *publish) error) (used time.Duration, err error) {
	frames := b.clip.first(b.settle + b.broadcast + 2*time.Second)
	apart := time.Duration(packaging.GetPartNs()) / time.Duration(b.broadcasts)
	began := time.Now()
	group, ctx := errgroup.WithContext(ctx)
	for i := range b.broadcasts {
		group.Go(func() error {
			if err := sleepUntil(ctx, began.Add(time.Duration(i)*apart)); err != nil {
				return err
			}
			return run(ctx, newPublish(socket, frames))
		})
	}
	group.Go(func() error {
		if err := sleepUntil(ctx, began.Add(b.settle)); err != nil {
			return err
		}
		used = -processTime()
		if err := sleepUntil(ctx, began.Add(b.settle+b.broadcast)); err != nil {
			return err
		}
		used += processTime()
		return nil
	})
	err = group.Wait() // first: it is what makes used
	return used, err
}

// bitrate is the clip's bits per second, audio included.
func (c *clip) bitrate() float64 {
	var bytes int64
	var end time.Duration
	for _, f := range c.frames {
		bytes += int64(len(f.Payload))
		end = max(end, at(f))
	}
	return float64(bytes) * 8 / end.Seconds()
}

// nothing is a FramesService that reads what comes and acknowledges it as a runner does.
type nothing struct{}

// Publish returns when the stream has ended.
func (nothing) Publish(_ context.Context, stream *connect.BidiStream[broadcastv1.PublishRequest, broadcastv1.PublishResponse]) error {
	var acked time.Time
	for {
		m, err := stream.Receive()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		if now := time.Now(); now.Sub(acked) >= 100*time.Millisecond {
			acked = now
			if err := stream.Send(&broadcastv1.PublishResponse{Received: m.GetFrame().GetSequence()}); err != nil {
				return err
			}
		}
	}
}
