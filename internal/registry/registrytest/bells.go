package registrytest

import (
	"time"

	"github.com/pharos-live/pharos/internal/registry"
)

// drain empties a bell that may have rung already.
func drain(ring <-chan struct{}) {
	select {
	case <-ring:
	default:
	}
}

// listening waits until so many connections listen to the feed's bell.
func (e *env) listening(broadcast string, n int64) {
	e.Helper()
	channel := "pharos:{b:" + broadcast + "}:ring"
	e.eventually("subscribed", func() bool { return e.raw.PubSubNumSub(e.ctx, channel).Val()[channel] == n })
}

var bellCases = map[string]func(*env){
	"a feed's bell rings when it grows, and others do not": func(e *env) {
		e.background(e.reg.Doorbell().Run)
		ring, leave := e.reg.Doorbell().Feed("b1")
		defer leave()
		other, leaveOther := e.reg.Doorbell().Feed("b2")
		defer leaveOther()
		// Both ring once as their subscriptions begin.
		within(e, patience, "ring of the subscription", ring)
		within(e, patience, "ring of the subscription", other)
		f := e.taken(e.redis.Registry(e, registry.Options{}), "b1")
		within(e, patience, "ring of the take", ring)
		e.append(f.Feed, numbered("part %d", 0, 1)...)
		within(e, patience, "ring of the entry", ring)
		select {
		case <-other:
			e.Error("another feed's bell rang")
		default:
		}
	},

	"two who listen to one feed hear both, over one subscription": func(e *env) {
		e.background(e.reg.Doorbell().Run)
		first, leaveFirst := e.reg.Doorbell().Feed("b1")
		second, leaveSecond := e.reg.Doorbell().Feed("b1")
		defer leaveSecond()
		e.listening("b1", 1)
		leaveFirst()
		drain(second)
		e.taken(e.reg, "b1")
		within(e, patience, "ring", second)
		drain(first)
		select {
		case <-first:
			e.Error("a bell rang after its owner had left")
		default:
		}
	},

	"the last who leaves ends the subscription, and the next begins it anew": func(e *env) {
		e.background(e.reg.Doorbell().Run)
		_, leave := e.reg.Doorbell().Feed("b1")
		e.listening("b1", 1)
		leave()
		e.listening("b1", 0)
		ring, leave := e.reg.Doorbell().Feed("b1")
		defer leave()
		within(e, patience, "ring of the subscription", ring)
		e.taken(e.reg, "b1")
		within(e, patience, "ring of the take", ring)
	},

	"the doorbell survives a lost connection, and rings when it is back": func(e *env) {
		link := e.redis.Link()
		reg := link.Registry(e, registry.Options{})
		e.background(reg.Doorbell().Run)
		ring, leave := reg.Doorbell().Feed("b1")
		defer leave()
		f := e.taken(e.reg, "b1")
		e.listening("b1", 1)
		link.Cut()
		e.listening("b1", 0)
		drain(ring)
		e.append(f.Feed, numbered("part %d", 0, 1)...) // nobody hears this
		e.ok(f.Flush(e.ctx))
		<-time.After(50 * time.Millisecond)
		link.Mend()
		within(e, patience, "ring once back", ring)
		e.listening("b1", 1)
		e.append(f.Feed, numbered("part %d", 1, 2)...)
		within(e, patience, "ring of the entry", ring)
	},

	"of many epochs nobody waited for the newest is heard, and nobody else waits": func(e *env) {
		e.background(e.reg.Doorbell().Run)
		epochs, leave := e.reg.Doorbell().Epochs("kitchen")
		defer leave()
		ring, leaveFeed := e.reg.Doorbell().Feed("b1")
		defer leaveFeed()
		within(e, patience, "ring of the subscription", ring)
		e.eventually("subscribed", func() bool {
			n := e.raw.PubSubNumSub(e.ctx, "pharos:{c:kitchen}:epochs").Val()
			return n["pharos:{c:kitchen}:epochs"] == 1
		})
		var newest uint64
		for range 20 {
			newest = e.epoch("kitchen")
		}
		e.taken(e.reg, "b1")
		within(e, patience, "ring behind the epochs", ring)
		if got := within(e, patience, "epoch", epochs); got != newest {
			e.Errorf("got epoch %d, want the newest, %d", got, newest)
		}
	},
}
