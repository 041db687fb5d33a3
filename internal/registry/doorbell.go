package registry

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// Times of a subscription.
const (
	bellPing  = 2 * time.Second // between pings, which find a connection that died in silence
	bellQuiet = 5 * time.Second // after so long without any answer the connection is given up
	bellWait  = time.Second     // the longest wait before a new one
)

// A Doorbell rings when a feed has grown or a channel got a new epoch. It is one subscription connection for
// all who listen, made when the first one does and while Run runs. It is safe for concurrent use.
//
// A ring is a hint. It may be lost while Redis is away; once the connection is back, and when a subscription
// has just begun, every feed's bell rings, so that nothing is waited for in vain. Readers look each second besides.
type Doorbell struct {
	r       *Registry
	changed chan struct{} // capacity 1: somebody came or left

	mu    sync.Mutex // guards bells
	bells map[string]map[*bell]struct{}
}

// A bell is one who listens. Which of its channels it has says to what.
type bell struct {
	ring  chan struct{} // capacity 1
	epoch chan uint64   // capacity 1, holds the newest
}

func newDoorbell(r *Registry) *Doorbell {
	return &Doorbell{r: r, changed: make(chan struct{}, 1), bells: map[string]map[*bell]struct{}{}}
}

// Feed returns a channel that gets a value after broadcast's feed has grown; rings that nobody waited for
// become one. leave ends it.
func (d *Doorbell) Feed(broadcast string) (ring <-chan struct{}, leave func()) {
	b := &bell{ring: make(chan struct{}, 1)}
	return b.ring, d.listen(feedBell(broadcast), b)
}

// Epochs returns a channel that gets each new epoch of channel; of those nobody waited for, the newest. leave ends it.
func (d *Doorbell) Epochs(channel string) (epochs <-chan uint64, leave func()) {
	b := &bell{epoch: make(chan uint64, 1)}
	return b.epoch, d.listen(epochBell(channel), b)
}

func (d *Doorbell) listen(channel string, b *bell) (leave func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.bells[channel] == nil {
		d.bells[channel] = map[*bell]struct{}{}
		d.signal()
	}
	d.bells[channel][b] = struct{}{}
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.bells[channel], b)
		if len(d.bells[channel]) == 0 {
			delete(d.bells, channel)
			d.signal()
		}
	}
}

func (d *Doorbell) signal() {
	select {
	case d.changed <- struct{}{}:
	default:
	}
}

// Run keeps the subscription until ctx ends, and returns its cause. It is to be called once.
func (d *Doorbell) Run(ctx context.Context) error {
	out := &outage{log: d.r.o.Logger, work: "doorbell", most: bellWait}
	for {
		err := d.session(ctx, out)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil && !pause(ctx, out.failed(ctx, err)) {
			return context.Cause(ctx)
		}
	}
}

// session is one connection: from when somebody listens until nobody does (nil), or it breaks, or ctx ends.
func (d *Doorbell) session(ctx context.Context, out *outage) error {
	for d.empty() {
		select {
		case <-d.changed:
		case <-ctx.Done():
			return nil
		}
	}
	s := newSubscription(ctx, d.r, d.deliver)
	defer s.close()
	for ctx.Err() == nil && !d.empty() {
		if err := s.follow(ctx, d.wanted()); err != nil {
			return err
		}
		if err := s.wait(ctx, d.changed, out); err != nil {
			return err
		}
	}
	return nil
}

func (d *Doorbell) empty() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.bells) == 0
}

func (d *Doorbell) wanted() map[string]bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	wanted := make(map[string]bool, len(d.bells))
	for channel := range d.bells {
		wanted[channel] = true
	}
	return wanted
}

// deliver rings for what came on channel; an empty payload is the news that its subscription has begun.
func (d *Doorbell) deliver(channel, payload string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for b := range d.bells[channel] {
		b.deliver(payload)
	}
}

// deliver is called by one goroutine at a time.
func (b *bell) deliver(payload string) {
	if b.ring != nil {
		select {
		case b.ring <- struct{}{}:
		default:
		}
		return
	}
	epoch, err := strconv.ParseUint(payload, 10, 64)
	if err != nil {
		return // the news of a subscription: the next renewal tells what was missed
	}
	select {
	case <-b.epoch: // only a newer one is ever published
	default:
	}
	b.epoch <- epoch
}

// subscribe rings b for what comes on one channel, over a connection of its own, until ctx ends or it breaks.
func (r *Registry) subscribe(ctx context.Context, channel string, b *bell) error {
	s := newSubscription(ctx, r, func(_, payload string) { b.deliver(payload) })
	defer s.close()
	if err := s.follow(ctx, map[string]bool{channel: true}); err != nil {
		return err
	}
	return s.wait(ctx, nil, &outage{log: r.o.Logger})
}

// subscription is one connection in Redis' subscriber mode. All but its reading goroutine is one goroutine's.
type subscription struct {
	ps      *redis.PubSub
	deliver func(channel, payload string)
	have    map[string]bool
	broken  chan error    // capacity 1: why reading ended
	heard   chan struct{} // capacity 1: something came
	last    time.Time     // when something came, or the connection was asked for
	reading sync.WaitGroup
	stop    func() bool // of the watch on the context
}

func newSubscription(ctx context.Context, r *Registry, deliver func(channel, payload string)) *subscription {
	return &subscription{
		ps:      r.c.Subscribe(ctx), // without channels: it connects with the first
		deliver: deliver,
		have:    map[string]bool{},
		broken:  make(chan error, 1),
		heard:   make(chan struct{}, 1),
		last:    time.Now(),
	}
}

// follow subscribes to what is wanted and not had, and the other way round.
func (s *subscription) follow(ctx context.Context, wanted map[string]bool) error {
	if add := without(wanted, s.have); len(add) > 0 {
		if err := s.ps.Subscribe(ctx, add...); err != nil {
			return fmt.Errorf("subscribe: %w", err)
		}
	}
	if drop := without(s.have, wanted); len(drop) > 0 {
		if err := s.ps.Unsubscribe(ctx, drop...); err != nil {
			return fmt.Errorf("unsubscribe: %w", err)
		}
	}
	s.have = wanted
	if s.stop == nil {
		s.stop = context.AfterFunc(ctx, func() { _ = s.ps.Close() }) // wakes the reader, which heeds no context
		s.reading.Go(func() { s.broken <- s.read(ctx) })
	}
	return nil
}

func without(a, b map[string]bool) []string {
	var names []string
	for name := range a {
		if !b[name] {
			names = append(names, name)
		}
	}
	return names
}

func (s *subscription) read(ctx context.Context) error {
	for {
		message, err := s.ps.Receive(ctx)
		if err != nil {
			return err
		}
		switch m := message.(type) {
		case *redis.Subscription:
			if m.Kind == "subscribe" {
				s.deliver(m.Channel, "")
			}
		case *redis.Message:
			s.deliver(m.Channel, m.Payload)
		}
		select {
		case s.heard <- struct{}{}:
		default:
		}
	}
}

// wait returns nil when changed says so or ctx has ended, and an error when the connection is broken or silent.
func (s *subscription) wait(ctx context.Context, changed <-chan struct{}, out *outage) error {
	ping := time.NewTicker(bellPing)
	defer ping.Stop()
	for {
		select {
		case <-changed:
			return nil
		case <-ctx.Done():
			return nil
		case err := <-s.broken:
			return fmt.Errorf("read subscription: %w", err)
		case <-s.heard:
			s.last = time.Now()
			out.over(ctx)
		case <-ping.C:
			if time.Since(s.last) > bellQuiet {
				return fmt.Errorf("subscription silent for %s", bellQuiet)
			}
			if err := s.ps.Ping(ctx); err != nil {
				return fmt.Errorf("ping subscription: %w", err)
			}
		}
	}
}

// close ends the connection and waits for the reader.
func (s *subscription) close() {
	if s.stop != nil {
		s.stop()
	}
	_ = s.ps.Close() // closed already, or broken: all the same now
	s.reading.Wait()
}
