package registry

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"
)

// An outage says how long to wait before the next try, and logs the beginning and the end of each time in
// which Redis is away, once. It belongs to one goroutine.
type outage struct {
	log   *slog.Logger
	work  string        // what waits for Redis, for the log
	most  time.Duration // the longest wait
	tries int
	since time.Time
}

// firstWait is the wait after the first failure, doubled with each further one.
const firstWait = 50 * time.Millisecond

// failed notes a failure and returns how long to wait: exponential, with jitter, bounded.
func (o *outage) failed(ctx context.Context, err error) time.Duration {
	if o.tries == 0 {
		o.since = time.Now()
		o.log.WarnContext(ctx, "redis away, trying again", "work", o.work, "error", err)
	}
	wait := o.most
	if o.tries < 10 {
		wait = min(firstWait<<o.tries, o.most)
	}
	o.tries++
	return wait/2 + rand.N(wait/2)
}

// over notes a success.
func (o *outage) over(ctx context.Context) {
	if o.tries > 0 {
		o.log.InfoContext(ctx, "redis back", "work", o.work, "away", time.Since(o.since), "tries", o.tries)
		o.tries = 0
	}
}

// pause waits for d, and tells whether ctx still goes on.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
