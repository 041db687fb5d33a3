package serve

import (
	"context"
	"errors"
	"sync"
)

// Run runs the members of a role, each in a goroutine of its own, until all have returned.
// The first to return, with an error or without, stops the rest: their context ends with the
// cause ErrStopping, or with ctx's own cause where ctx ended first.
//
// Run returns the first error, and nil for a clean stop. A member that was told to stop and
// returns what its context said has stopped cleanly.
func Run(ctx context.Context, members ...func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		first error // guarded by mu
	)
	for _, member := range members {
		wg.Go(func() {
			err := member(ctx)
			mu.Lock()
			if first == nil && err != nil && !saysStopped(ctx, err) {
				first = err
			}
			mu.Unlock()
			cancel(ErrStopping)
		})
	}
	wg.Wait()
	return first
}

// saysStopped tells whether err is no more than the news that ctx has ended.
func saysStopped(ctx context.Context, err error) bool {
	return ctx.Err() != nil && (errors.Is(err, ctx.Err()) || errors.Is(err, context.Cause(ctx)))
}
