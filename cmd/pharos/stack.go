package main

import (
	"context"
	"errors"
)

// errLayerEnded is why an inner layer ends when the layer that carries it has.
var errLayerEnded = errors.New("what this stands on has ended")

// within runs inner on top of outer and stops them in that order: when ctx
// ends, inner ends first, and outer, which inner needs to end well, only once
// it has. When outer ends by itself, inner is told to end too.
func within(ctx context.Context, outer, inner func(context.Context) error) error {
	outerCtx, stopOuter := context.WithCancel(context.WithoutCancel(ctx))
	defer stopOuter()
	innerCtx, stopInner := context.WithCancelCause(ctx)
	defer stopInner(nil)
	ended := make(chan error, 1)
	go func() {
		err := outer(outerCtx)
		stopInner(errLayerEnded)
		ended <- err
	}()
	innerErr := inner(innerCtx)
	if errors.Is(context.Cause(innerCtx), errLayerEnded) {
		return errors.Join(<-ended, innerErr)
	}
	stopOuter()
	return errors.Join(innerErr, <-ended)
}
