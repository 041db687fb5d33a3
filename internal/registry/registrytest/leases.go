package registrytest

import (
	"context"
	"errors"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pharos-live/pharos/internal/registry"
)

// stands tells whether the channel has a Live of that epoch and term.
func (e *env) stands(l registry.Live) func() bool {
	return func() bool {
		got, err := e.reg.Live(e.ctx, l.Channel)
		return err == nil && got.Epoch == l.Epoch && got.Term == l.Term
	}
}

// live returns a Live of fresh epoch and term.
func (e *env) live(channel, broadcast string) registry.Live {
	return registry.Live{
		Channel: channel, Broadcast: broadcast, Epoch: e.epoch(channel), Term: e.term(broadcast),
		Machine: "m1", Server: "a", Started: time.Unix(1e9, 0).UTC(), State: registry.StateStarting,
	}
}

// held holds l over r and waits until it stands.
func (e *env) held(ctx context.Context, r *registry.Registry, l registry.Live) *registry.Lease {
	e.Helper()
	lease := r.HoldLive(ctx, l)
	e.Cleanup(func() { _ = lease.Release(e.ctx) })
	e.eventually("lease stands", e.stands(l))
	return lease
}

var leaseCases = map[string]func(*env){
	"a lease stands as long as it is held, and says what it was told": func(e *env) {
		want := e.live("kitchen", "b1")
		lease := e.held(e.ctx, e.reg, want)
		<-time.After(leaseTTL + time.Second)
		got, err := e.reg.Live(e.ctx, "kitchen")
		e.ok(err)
		if diff := cmp.Diff(want, got); diff != "" {
			e.Errorf("live (-want +got):\n%s", diff)
		}
		if !lease.Trusted() || lease.Err() != nil {
			e.Errorf("got trusted %t, error %v, want true, nil", lease.Trusted(), lease.Err())
		}
	},

	"an update is written at once, and cannot change who holds": func(e *env) {
		l := e.live("kitchen", "b1")
		lease := e.held(e.ctx, e.reg, l)
		began := time.Now()
		lease.Update(func(l *registry.Live) { l.State, l.Epoch = registry.StateLive, l.Epoch+7 })
		e.eventually("update", func() bool {
			got, err := e.reg.Live(e.ctx, "kitchen")
			return err == nil && got.State == registry.StateLive && got.Epoch == l.Epoch
		})
		if took := time.Since(began); took > leaseRenew/2 {
			e.Errorf("update took %s, want at once", took)
		}
	},

	"a lease ends with its context, and is released": func(e *env) {
		ctx, cancel := context.WithCancelCause(e.ctx)
		lease := e.held(ctx, e.reg, e.live("kitchen", "b1"))
		why := errors.New("broadcast over")
		cancel(why)
		<-lease.Done()
		if _, err := e.reg.Live(e.ctx, "kitchen"); !errors.Is(err, registry.ErrNone) {
			e.Errorf("got error %v, want ErrNone", err)
		}
		if !errors.Is(lease.Err(), why) || lease.Trusted() {
			e.Errorf("got error %v, trusted %t, want the context's cause, false", lease.Err(), lease.Trusted())
		}
	},

	"a newer epoch fences a lease at its next renewal": func(e *env) {
		lease := e.held(e.ctx, e.reg, e.live("kitchen", "b1"))
		e.epoch("kitchen")
		within(e, leaseRenew+e.slack(), "fence", lease.Done())
		if !errors.Is(lease.Err(), registry.ErrFenced) || lease.Trusted() {
			e.Errorf("got error %v, trusted %t, want ErrFenced, false", lease.Err(), lease.Trusted())
		}
	},

	"a newer term of its broadcast fences a lease": func(e *env) {
		lease := e.held(e.ctx, e.reg, e.live("kitchen", "b1"))
		e.term("b1")
		within(e, leaseRenew+e.slack(), "fence", lease.Done())
		if !errors.Is(lease.Err(), registry.ErrFenced) {
			e.Errorf("got error %v, want ErrFenced", lease.Err())
		}
	},

	"a fenced lease stands until its holder releases it": func(e *env) {
		l := e.live("kitchen", "b1")
		lease := e.held(e.ctx, e.reg, l)
		e.epoch("kitchen")
		<-lease.Done()
		if !e.stands(l)() {
			e.Error("the lease went before its work had ended")
		}
		e.ok(lease.Release(e.ctx))
		if e.stands(l)() {
			e.Error("the lease stands after its release")
		}
	},

	"an old holder releases nothing of a new one": func(e *env) {
		old := e.held(e.ctx, e.reg, e.live("kitchen", "b1"))
		l := e.live("kitchen", "b2")
		e.held(e.ctx, e.redis.Registry(e, registry.Options{}), l)
		<-old.Done()
		e.ok(old.Release(e.ctx))
		if !e.stands(l)() {
			e.Error("the new lease is gone")
		}
	},

	"an old holder of the same epoch never overwrites a newer term": func(e *env) {
		older := e.live("kitchen", "b1")
		newer := older
		newer.Term, newer.Machine = e.term("b1"), "m2"
		e.held(e.ctx, e.reg, newer)
		lease := e.reg.HoldLive(e.ctx, older)
		<-lease.Done()
		e.ok(lease.Release(e.ctx))
		if !errors.Is(lease.Err(), registry.ErrFenced) || !e.stands(newer)() {
			e.Errorf("got error %v, newer stands %t, want ErrFenced, true", lease.Err(), e.stands(newer)())
		}
	},

	"a holder cut off goes untrusted before its lease expires, and holds again after": func(e *env) {
		link := e.redis.Link()
		l := e.live("kitchen", "b1")
		lease := e.held(e.ctx, link.Registry(e, registry.Options{}), l)
		link.Cut()
		e.eventually("lease untrusted", func() bool { return !lease.Trusted() })
		if !e.stands(l)() {
			e.Error("the lease expired while it was trusted")
		}
		e.eventually("lease expired", func() bool { return !e.stands(l)() })
		if lease.Err() != nil {
			e.Errorf("got error %v, want the lease to be tried on", lease.Err())
		}
		link.Mend()
		e.eventually("lease back", func() bool { return e.stands(l)() && lease.Trusted() })
	},

	"leases and their epochs are written again after FLUSHALL": func(e *env) {
		l := e.live("kitchen", "b1")
		e.held(e.ctx, e.reg, l)
		e.ok(e.raw.FlushAll(e.ctx).Err())
		e.eventually("lease back", e.stands(l))
		if epoch, err := e.reg.Epoch(e.ctx, "kitchen"); err != nil || epoch != l.Epoch {
			e.Errorf("got epoch %d, %v, want %d", epoch, err, l.Epoch)
		}
	},

	"lives are listed by channel, without those that went": func(e *env) {
		for _, channel := range []string{"kitchen", "attic", "garden"} {
			e.held(e.ctx, e.reg, e.live(channel, "b-"+channel))
		}
		link := e.redis.Link()
		gone := e.live("cellar", "b-cellar")
		e.held(e.ctx, link.Registry(e, registry.Options{}), gone)
		link.Cut()
		e.eventually("cellar gone", func() bool { return !e.stands(gone)() })
		lives, err := e.reg.Lives(e.ctx)
		e.ok(err)
		var got []string
		for _, l := range lives {
			got = append(got, l.Channel)
		}
		if diff := cmp.Diff([]string{"attic", "garden", "kitchen"}, got); diff != "" {
			e.Errorf("channels (-want +got):\n%s", diff)
		}
		e.eventually("index without cellar", func() bool {
			_, err := e.reg.Lives(e.ctx)
			return err == nil && e.raw.ZCard(e.ctx, "pharos:lives").Val() == 3
		})
	},

	"WaitFree is woken by a release": func(e *env) {
		lease := e.held(e.ctx, e.reg, e.live("kitchen", "b1"))
		epoch := e.epoch("kitchen")
		free := make(chan time.Time, 1)
		e.background(func(ctx context.Context) error {
			err := e.reg.WaitFree(ctx, "kitchen", epoch)
			free <- time.Now()
			return err
		})
		e.eventually("subscribed", func() bool {
			n := e.raw.PubSubNumSub(e.ctx, "pharos:{c:kitchen}:free").Val()
			return n["pharos:{c:kitchen}:free"] == 1
		})
		e.ok(lease.Release(e.ctx))
		released := time.Now()
		if woken := (<-free).Sub(released); woken > 100*time.Millisecond {
			e.Errorf("woken after %s, want at once", woken)
		}
	},

	"WaitFree returns when the lease expires": func(e *env) {
		link := e.redis.Link()
		e.held(e.ctx, link.Registry(e, registry.Options{}), e.live("kitchen", "b1"))
		epoch := e.epoch("kitchen")
		link.Cut()
		began := time.Now()
		e.ok(e.reg.WaitFree(e.ctx, "kitchen", epoch))
		if took, most := time.Since(began), leaseTTL+250*time.Millisecond+e.slack(); took > most {
			e.Errorf("took %s, want at most %s", took, most)
		}
	},

	"WaitFree does not wait where nothing older is live, and not in vain": func(e *env) {
		e.ok(e.reg.WaitFree(e.ctx, "kitchen", 1))
		l := e.live("kitchen", "b1")
		e.held(e.ctx, e.reg, l)
		e.ok(e.reg.WaitFree(e.ctx, "kitchen", l.Epoch))
		if err := e.reg.WaitFree(e.ctx, "kitchen", l.Epoch-1); !errors.Is(err, registry.ErrFenced) {
			e.Errorf("got error %v behind a newer epoch, want ErrFenced", err)
		}
		ctx, cancel := context.WithTimeout(e.ctx, 300*time.Millisecond)
		defer cancel()
		if err := e.reg.WaitFree(ctx, "kitchen", l.Epoch+1); !errors.Is(err, context.DeadlineExceeded) {
			e.Errorf("got error %v on a channel that stays taken, want the deadline", err)
		}
	},
}
