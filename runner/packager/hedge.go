package packager

import (
	"context"
	"errors"
	"math/bits"
	"slices"
	"sync"
	"time"
)

// When an upload that takes long is joined by a second request for the same object.
const (
	hedgeKnown    = 16   // uploads whose times must be known before they say what is long
	hedgeSamples  = 64   // the last ones, of which
	hedgeQuantile = 0.95 // take no longer than this is usual;
	hedgeMargin   = 1.25 // this many times that is long
	hedgeLeast    = 50 * time.Millisecond

	hedgeShare = 0.1 // second requests for each first one, at most
	hedgeBurst = 2   // of them that may come together, after a quiet time

	// hedgeFailing of the last 16 uploads failed: more requests are not what the store needs.
	hedgeFailing = 4
)

// A hedge decides when a second request is sent, for one kind of object of one rendition. It is safe for
// concurrent use.
//
// Stores that spread objects over many machines answer most requests at once and a few after seconds,
// because of one machine or one connection: asking a second time, elsewhere, mostly helps. It costs at most
// a tenth more requests, whatever happens, and none while the store is failing.
type hedge struct {
	first time.Duration // what is long before enough is known

	mu     sync.Mutex // protects all below
	took   []time.Duration
	next   int     // index in took of the oldest
	credit float64 // second requests that may be sent
	failed uint16  // how the last 16 ended, the newest lowest: 1 = it failed
}

// newHedge is a hedge that takes first for long until it knows better.
func newHedge(first time.Duration) *hedge { return &hedge{first: first, credit: 1} }

// begin is told of an upload, and returns after what time it takes long.
func (h *hedge) begin() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.credit = min(h.credit+hedgeShare, hedgeBurst)
	if len(h.took) < hedgeKnown {
		return h.first
	}
	sorted := slices.Sorted(slices.Values(h.took))
	usual := sorted[int(hedgeQuantile*float64(len(sorted)-1))]
	return max(time.Duration(hedgeMargin*float64(usual)), hedgeLeast)
}

// allow says whether a second request may be sent now, which it then counts.
func (h *hedge) allow() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.credit < 1 || bits.OnesCount16(h.failed) >= hedgeFailing {
		return false
	}
	h.credit--
	return true
}

// done is told how an upload ended.
func (h *hedge) done(took time.Duration, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.failed <<= 1
	if err != nil {
		h.failed |= 1
		return
	}
	if len(h.took) < hedgeSamples {
		h.took = append(h.took, took)
		return
	}
	h.took[h.next] = took
	h.next = (h.next + 1) % hedgeSamples
}

// race sends a request, and a second one if the first takes long. The first success wins, and cancels the
// other; it fails when all that was sent has.
func (o *outbox) race(ctx context.Context, h *hedge, send func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type result struct {
		err    error
		second bool
	}
	results := make(chan result, 2)
	start := func(second bool) {
		o.sending.Go(func() {
			o.stats.InFlight.Add(1)
			defer o.stats.InFlight.Add(-1)
			results <- result{send(ctx), second}
		})
	}
	began := time.Now()
	long := time.NewTimer(h.begin())
	defer long.Stop()
	start(false)
	var failed []error
	for running := 1; running > 0; {
		select {
		case r := <-results:
			if r.err == nil {
				if r.second {
					o.stats.HedgeWins.Add(1)
				}
				h.done(time.Since(began), nil)
				return nil
			}
			failed = append(failed, r.err)
			running--
		case <-long.C:
			if ctx.Err() == nil && h.allow() {
				o.stats.Hedges.Add(1)
				running++
				start(true)
			}
		}
	}
	err := errors.Join(failed...)
	h.done(time.Since(began), err)
	return err
}
