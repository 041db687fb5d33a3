package broadcast

import (
	"context"
	"sync/atomic"
)

// losses tell the packager what the rungs' encoder gives nothing of. They do so from
// a goroutine of their own: the encoder often learns of a loss as it is offered a
// frame, which the packager does with its lock held. What comes in between counts
// as one, as the newest loss covers those before it.
type losses struct {
	until atomic.Int64
	ring  chan struct{} // holds one
}

func newLosses() *losses { return &losses{ring: make(chan struct{}, 1)} }

// note is told that nothing more comes up to until. It does not block.
func (l *losses) note(until int64) {
	l.until.Store(until)
	select {
	case l.ring <- struct{}{}:
	default:
	}
}

// run calls lose until ctx ends and the last loss has been told.
func (l *losses) run(ctx context.Context, lose func(until int64)) {
	for ctx.Err() == nil {
		select {
		case <-l.ring:
			lose(l.until.Load())
		case <-ctx.Done():
		}
	}
	select {
	case <-l.ring:
		lose(l.until.Load())
	default:
	}
}
