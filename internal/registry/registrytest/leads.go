package registrytest

import (
	"context"
	"errors"
	"time"

	"github.com/pharos-live/pharos/internal/registry"
)

// A candidate is one process that wants a role.
type candidate struct {
	took  chan time.Time // capacity 8: when it began to lead
	lost  chan error     // capacity 8: why its work was ended
	stop  func() error   // ends it, and waits
	leave chan struct{}  // its work returns by itself when it is closed
}

// runFor lets a process wait for the role "keeper".
func (e *env) runFor(r *registry.Registry) *candidate {
	c := &candidate{took: make(chan time.Time, 8), lost: make(chan error, 8), leave: make(chan struct{})}
	c.stop = e.background(func(ctx context.Context) error {
		return r.Lead(ctx, "keeper", func(ctx context.Context) {
			c.took <- time.Now()
			select {
			case <-ctx.Done():
				c.lost <- context.Cause(ctx)
			case <-c.leave:
			}
		})
	})
	return c
}

// quiet fails unless c stays without the role for d.
func (e *env) quiet(c *candidate, d time.Duration) {
	e.Helper()
	select {
	case <-c.took:
		e.Error("the role was taken, want it to stay with its holder")
	case <-time.After(d):
	}
}

var leadCases = map[string]func(*env){
	"a role has one holder, for as long as it lives": func(e *env) {
		first := e.runFor(e.reg)
		within(e, e.slack()+time.Second, "the first", first.took)
		second := e.runFor(e.redis.Registry(e, registry.Options{}))
		third := e.runFor(e.redis.Registry(e, registry.Options{}))
		e.quiet(second, 2*leaseTTL)
		e.quiet(third, 0)
		select {
		case err := <-first.lost:
			e.Errorf("the first lost the role: %v", err)
		default:
		}
	},

	"a role whose holder stops is taken at the next look": func(e *env) {
		first := e.runFor(e.reg)
		within(e, e.slack()+time.Second, "the first", first.took)
		second := e.runFor(e.redis.Registry(e, registry.Options{}))
		e.quiet(second, leaseRenew)
		if err := first.stop(); !errors.Is(err, context.Canceled) {
			e.Errorf("got error %v, want the context's cause", err)
		}
		if err := <-first.lost; !errors.Is(err, context.Canceled) {
			e.Errorf("the work was ended by %v, want the context's cause", err)
		}
		within(e, leaseRenew+e.slack(), "the second", second.took)
	},

	"a role whose holder dies is taken within the lease's TTL": func(e *env) {
		link := e.redis.Link()
		first := e.runFor(link.Registry(e, registry.Options{}))
		within(e, e.slack()+time.Second, "the first", first.took)
		second := e.runFor(e.reg)
		e.quiet(second, leaseTTL+leaseRenew)
		link.Cut()
		cut := time.Now()
		lost := within(e, leaseTTL+e.slack(), "the first gives up", first.lost)
		took := within(e, leaseTTL+e.slack(), "the second", second.took)
		if !errors.Is(lost, registry.ErrLost) {
			e.Errorf("the first was ended by %v, want ErrLost", lost)
		}
		if d := took.Sub(cut); d > leaseTTL+e.slack() {
			e.Errorf("the role was taken after %v, want at most %v", d, leaseTTL)
		}
		link.Mend()
		e.quiet(first, 2*leaseRenew)
	},

	"a holder cut off for a moment keeps the role": func(e *env) {
		link := e.redis.Link()
		first := e.runFor(link.Registry(e, registry.Options{}))
		within(e, e.slack()+time.Second, "the first", first.took)
		second := e.runFor(e.reg)
		link.Cut()
		<-time.After(2 * time.Second)
		link.Mend()
		e.quiet(second, 2*leaseTTL)
		select {
		case err := <-first.lost:
			e.Errorf("the first lost the role: %v", err)
		default:
		}
	},

	"after FLUSHALL a role has one holder again": func(e *env) {
		first := e.runFor(e.reg)
		within(e, e.slack()+time.Second, "the first", first.took)
		second := e.runFor(e.redis.Registry(e, registry.Options{}))
		e.quiet(second, leaseRenew)
		e.ok(e.raw.FlushAll(e.ctx).Err())
		<-time.After(2*leaseRenew + e.slack())
		holders := 1 + len(second.took) - len(first.lost)
		if holders != 1 {
			e.Errorf("got %d holders, want one", holders)
		}
	},

	"work that returns gives the role back": func(e *env) {
		first := e.runFor(e.reg)
		within(e, e.slack()+time.Second, "the first", first.took)
		second := e.runFor(e.redis.Registry(e, registry.Options{}))
		e.quiet(second, leaseRenew/2)
		close(first.leave)
		within(e, leaseRenew+e.slack(), "the second", second.took)
		e.quiet(first, leaseTTL)
	},
}
