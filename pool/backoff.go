package pool

import (
	"context"
	"math/rand/v2"
	"time"
)

// Bounds of the waits between attempts.
const (
	minBackoff = 100 * time.Millisecond
	maxBackoff = 5 * time.Second
)

// backoff is the wait after the given number of failures, from 0: doubling between
// the bounds, and of that a random share between a half and all.
func backoff(failures int) time.Duration {
	d := maxBackoff
	if failures < 6 {
		d = min(minBackoff<<failures, maxBackoff)
	}
	return d/2 + rand.N(d/2) //nolint:gosec // Jitter is no secret.
}

// sleep waits, or returns the cause that ended ctx first.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
