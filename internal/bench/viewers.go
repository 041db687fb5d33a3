package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"syscall"
	"time"

	"github.com/pharos-live/pharos/internal/serve"
)

const (
	reelBefore = 30                    // segments in the playlist when viewers come: a minute
	blocked    = 30 * time.Millisecond // from the last request's arrival until it surely waits
	goneWithin = 10 * time.Second      // what goroutines get to go
	rigs       = 4                     // goroutines by which the rig itself may grow: another connection to Redis
)

// measureCrowd blocks many viewers for each part of a broadcast that is announced through Redis,
// in turns with as many who wait for a bare long poll with as large a body.
func (b *bench) measureCrowd(ctx context.Context) error {
	bare := newLongPoll()
	beside, err := listen(bare)
	if err != nil {
		return err
	}
	return serve.Run(ctx, beside.run, func(ctx context.Context) error {
		return b.withRig(ctx, func(ctx context.Context, r *rig) error {
			return withReel(ctx, r.registry, reelBefore, func(ctx context.Context, reel *reel) error {
				// The first viewer lights the controller, which stays: it is no goroutine of the crowd's.
				if err := warm(ctx, r.web.url("/hls/"+reel.id+"/source/index.m3u8")); err != nil {
					return err
				}
				for _, size := range b.crowds {
					if err := b.crowdOf(ctx, size, r.web, reel, beside, bare); err != nil {
						return fmt.Errorf("%d over %s: %w", size.viewers, size.protocol, err)
					}
				}
				return nil
			})
		})
	})
}

func warm(ctx context.Context, url string) error {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	_, err := get(ctx, client, url)
	return err
}

// crowdOf gathers one crowd for each side, and counts goroutines before and after.
func (b *bench) crowdOf(ctx context.Context, size size, ours *origin, reel *reel, beside *origin, bare *longPoll) error {
	b.progress("crowd: %d viewers over %s, %d parts to each side", size.viewers, size.protocol, b.parts)
	baseline := steadyGoroutines()
	var waves, bareWaves []wave
	var left time.Time
	edge := newEdge()
	err := withCrowd(ctx, size, edge, ours, func(watchers *crowd) error {
		return withCrowd(ctx, size, edge, beside, func(pollers *crowd) error {
			err := b.waves(ctx, watchers, reel, &waves, pollers, bare, &bareWaves)
			left = time.Now()
			return err
		})
	})
	if err != nil {
		return err
	}
	gone, after := awaitGoroutines(baseline+rigs, left.Add(goneWithin), edge.CloseIdleConnections)
	b.reportCrowd(size, waves, bareWaves)
	b.report.add(row{
		what:    fmt.Sprintf("goroutines over %s: before the viewers of both sides came, and after all hung up amid a poll", size.protocol),
		samples: fmt.Sprintf("%d viewers", 2*size.viewers),
		ours:    fmt.Sprintf("%d, then %d after %s ms", baseline, after, ms(gone.Sub(left))),
	})
	if after > baseline+rigs {
		return fmt.Errorf("%d goroutines are left, there were %d", after, baseline)
	}
	return nil
}

// waves sends one part after the other to the two crowds in turns.
func (b *bench) waves(ctx context.Context, watchers *crowd, reel *reel, ours *[]wave, pollers *crowd, bare *longPoll, beside *[]wave) error {
	always := func() string { return "/poll" }
	if err := errors.Join(watchers.block(ctx, reel.path()), pollers.block(ctx, always())); err != nil {
		return err
	}
	size := 1
	for i := range b.parts {
		err := inTurns(i,
			func() error {
				w, err := watchers.wave(ctx, reel.announce, reel.path)
				*ours = append(*ours, w)
				size = w.size
				return err
			},
			func() error {
				w, err := pollers.wave(ctx, func(context.Context) error {
					bare.publish(make([]byte, size))
					return nil
				}, always)
				*beside = append(*beside, w)
				return err
			},
		)
		if err != nil {
			return err
		}
	}
	return nil
}

// withCrowd runs f on viewers of origin, who leave when it returns.
func withCrowd(ctx context.Context, size size, edge *http.Client, origin *origin, f func(*crowd) error) error {
	var pollers []poller
	for range size.viewers {
		if size.protocol == "h2c" {
			pollers = append(pollers, newShared(ctx, edge, origin.addr))
			continue
		}
		p, err := dialPlain(ctx, origin.addr)
		if err != nil {
			for _, p := range pollers {
				p.hangUp()
			}
			if errors.Is(err, syscall.EMFILE) {
				err = errTooFewFiles
			}
			return err
		}
		pollers = append(pollers, p)
	}
	c := gather(origin, pollers)
	defer c.leave()
	return f(c)
}

// steadyGoroutines counts goroutines once their number has stood still for a while: the rig's own
// connections are made in the background.
func steadyGoroutines() int {
	const still = 20
	n, same := runtime.NumGoroutine(), 0
	for same < still {
		time.Sleep(10 * time.Millisecond)
		if now := runtime.NumGoroutine(); now == n {
			same++
		} else {
			n, same = now, 0
		}
	}
	return n
}

// awaitGoroutines waits until there are no more than want, and says when that was and how many
// there were. closeIdle ends connections that nobody uses any more.
func awaitGoroutines(want int, deadline time.Time, closeIdle func()) (time.Time, int) {
	for {
		closeIdle()
		n, now := runtime.NumGoroutine(), time.Now()
		if n <= want || now.After(deadline) {
			return now, n
		}
		time.Sleep(time.Millisecond)
	}
}

func (b *bench) reportCrowd(size size, ours, bare []wave) {
	for _, f := range []struct {
		what string
		of   func(wave) time.Duration
	}{
		{"part announced → the last has it", func(w wave) time.Duration { return w.last }},
		{"part announced → 99 % have it", func(w wave) time.Duration { return w.most }},
		{"part announced → the first has it", func(w wave) time.Duration { return w.first }},
		{"CPU for a part, viewers included", func(w wave) time.Duration { return w.cpu }},
	} {
		o, r := pick(ours, f.of), pick(bare, f.of)
		b.report.add(row{
			what:    fmt.Sprintf("%d blocked viewers over %s: %s", size.viewers, size.protocol, f.what),
			samples: fmt.Sprintf("%d parts, %d bytes", len(o), ours[len(ours)-1].size),
			ours:    spread(o),
			bare:    spread(r),
			ratio:   ratio(o, r),
		})
	}
}
