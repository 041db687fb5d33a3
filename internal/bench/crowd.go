package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// A crowd is viewers who all wait for the same thing.
type crowd struct {
	origin *origin
	asked  int64 // requests sent so far

	pollers []poller
	answers chan answer
	ask     []chan string // for each viewer: what to ask for next
	wg      sync.WaitGroup
}

// An answer is what one viewer got.
type answer struct {
	at   time.Time
	size int
	err  error
}

// gather makes viewers, who do nothing yet. leave ends them.
func gather(origin *origin, pollers []poller) *crowd {
	c := &crowd{
		origin: origin, asked: origin.arrived.Load(),
		pollers: pollers, answers: make(chan answer, len(pollers)),
	}
	for _, p := range pollers {
		ask := make(chan string, 1)
		c.ask = append(c.ask, ask)
		c.wg.Go(func() {
			for path := range ask {
				size, err := p.poll(path) // hangUp ends it
				c.answers <- answer{time.Now(), size, err}
			}
		})
	}
	return c
}

// block has everybody ask for path, and returns when all requests wait on the server.
func (c *crowd) block(ctx context.Context, path string) error {
	for _, ask := range c.ask {
		ask <- path
	}
	c.asked += int64(len(c.ask))
	for c.origin.arrived.Load() < c.asked {
		select {
		case a := <-c.answers:
			return errors.Join(errEarly, a.err)
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return sleepUntil(ctx, time.Now().Add(blocked))
}

// A wave is one part's way to a crowd.
type wave struct {
	first, most, last time.Duration // until the first viewer, 99 % of them, and the last had it
	cpu               time.Duration // of this process, until everybody waits for the next one
	size              int           // bytes of a body
}

// wave announces, waits until everybody has the answer, and has them wait for what next says.
func (c *crowd) wave(ctx context.Context, announce func(context.Context) error, next func() string) (wave, error) {
	var w wave
	before, began := processTime(), time.Now()
	if err := announce(ctx); err != nil {
		return w, err
	}
	took := make([]time.Duration, 0, len(c.pollers))
	for range c.pollers {
		var a answer
		select {
		case a = <-c.answers:
		case <-ctx.Done():
			return w, context.Cause(ctx)
		}
		if a.err != nil {
			return w, fmt.Errorf("a viewer got no answer: %w", a.err)
		}
		took, w.size = append(took, a.at.Sub(began)), a.size
	}
	w.first, w.most, w.last = slices.Min(took), quantile(took, 0.99), slices.Max(took)
	if err := c.block(ctx, next()); err != nil {
		return w, err
	}
	w.cpu = processTime() - before
	return w, nil
}

// leave hangs up, in whatever state viewers are, and waits for them to have gone.
func (c *crowd) leave() {
	for i, p := range c.pollers {
		p.hangUp()
		close(c.ask[i])
	}
	c.wg.Wait()
}

var (
	errEarly       = errors.New("a viewer was answered before there was anything to say")
	errTooFewFiles = errors.New("too few open files are allowed for so many viewers: try `ulimit -n 16384`")
)
