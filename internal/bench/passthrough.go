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

// measurePassthrough runs several broadcasts without a ladder at their own pace and, in turns,
// sends the same frames in the same way to a service that throws them away: what sending costs in
// this very process.
func (b *bench) measurePassthrough(ctx context.Context) error {
	var all, sending []time.Duration
	for i := range b.broadcastRounds {
		b.progress("passthrough: round %d of %d, %d broadcasts, and the same frames into nothing", i+1, b.broadcastRounds, b.broadcasts)
		err := inTurns(i,
			func() error { return b.broadcastAll(ctx, &all) },
			func() error { return b.sendAll(ctx, &sending) },
		)
		if err != nil {
			return err
		}
	}
	share := func(v []time.Duration) string {
		return fmt.Sprintf("p50 %s, p90 %s of a core", percent(median(v)), percent(quantile(v, 0.9)))
	}
	b.report.add(row{
		what:    fmt.Sprintf("CPU per passthrough broadcast of %.2f Mbit/s, sending it included; bare: sending it to a service that drops it", b.clip.bitrate()/1e6),
		samples: fmt.Sprintf("%d at once, %d windows of 1 s", b.broadcasts, len(all)),
		ours:    share(all),
		bare:    share(sending),
		ratio:   ratio(all, sending),
	})
	return nil
}

func (b *bench) broadcastAll(ctx context.Context, used *[]time.Duration) error {
	return b.withRig(ctx, func(ctx context.Context, r *rig) error {
		return b.cpuOf(ctx, r.frames, used, func(ctx context.Context, p *publish) error { return p.run(ctx, r) })
	})
}

func (b *bench) sendAll(ctx context.Context, used *[]time.Duration) error {
	dir, err := os.MkdirTemp(b.dir, "nothing-")
	if err != nil {
		return err
	}
	return withFrames(ctx, dir, nothing{}, func(ctx context.Context, socket string) error {
		return b.cpuOf(ctx, socket, used, func(ctx context.Context, p *publish) error { return p.send(ctx) })
	})
}

// cpuOf adds to used what this process uses of the CPU for each publish in each second, once all of
// them are steady. They begin a little apart, so that their parts do not all end at once.
func (b *bench) cpuOf(ctx context.Context, socket string, used *[]time.Duration, run func(context.Context, *publish) error) error {
	windows := time.Duration(b.windows) * time.Second
	frames := b.clip.first(b.settle + windows + time.Second)
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
		for range b.windows {
			from, before := time.Now(), processTime()
			if err := sleepUntil(ctx, from.Add(time.Second)); err != nil {
				return err
			}
			perSecond := float64(processTime()-before) / time.Since(from).Seconds()
			*used = append(*used, time.Duration(perSecond)/time.Duration(b.broadcasts))
		}
		return nil
	})
	return group.Wait()
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
