package registrytest

import (
	"context"
	"errors"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pharos-live/pharos/internal/registry"
)

func (e *env) published(r *registry.Registry) *registry.PublishLease {
	e.Helper()
	p := registry.Publish{Channel: "kitchen", Epoch: e.epoch("kitchen"), Server: "a", Remote: "192.0.2.1:5", Since: time.Unix(1e9, 0).UTC()}
	lease := r.HoldPublish(e.ctx, p)
	e.Cleanup(func() { _ = lease.Release(e.ctx) })
	e.eventually("publish stands", func() bool {
		got, err := e.reg.Publish(e.ctx, "kitchen")
		return err == nil && cmp.Equal(got, p)
	})
	return lease
}

var publishCases = map[string]func(*env){
	"a newer epoch fences a publish at once through the doorbell": func(e *env) {
		e.background(e.reg.Doorbell().Run)
		lease := e.published(e.reg)
		e.eventually("subscribed", func() bool {
			n := e.raw.PubSubNumSub(e.ctx, "pharos:{c:kitchen}:epochs").Val()
			return n["pharos:{c:kitchen}:epochs"] == 1
		})
		taken := time.Now()
		_, err := e.redis.Registry(e, registry.Options{}).NextEpoch(e.ctx, "kitchen")
		e.ok(err)
		<-lease.Done()
		if took := time.Since(taken); took > 100*time.Millisecond {
			e.Errorf("fenced after %s, want at once", took)
		}
		if !errors.Is(lease.Err(), registry.ErrFenced) {
			e.Errorf("got error %v, want ErrFenced", lease.Err())
		}
	},

	"a newer epoch fences a publish at its renewal without the doorbell": func(e *env) {
		lease := e.published(e.reg)
		taken := time.Now()
		e.epoch("kitchen")
		<-lease.Done()
		if took := time.Since(taken); took > leaseRenew+e.slack() {
			e.Errorf("fenced after %s, want at most %s", took, leaseRenew)
		}
		if !errors.Is(lease.Err(), registry.ErrFenced) {
			e.Errorf("got error %v, want ErrFenced", lease.Err())
		}
	},

	"a publish that is released is gone": func(e *env) {
		lease := e.published(e.reg)
		e.ok(lease.Release(e.ctx))
		if _, err := e.reg.Publish(e.ctx, "kitchen"); !errors.Is(err, registry.ErrNone) {
			e.Errorf("got error %v, want ErrNone", err)
		}
		if lease.Err() != nil {
			e.Errorf("got error %v after Release, want none", lease.Err())
		}
	},
}

var runnerCases = map[string]func(*env){
	"runners are listed while they hold, with what they say now": func(e *env) {
		var stops []func() error
		for _, machine := range []string{"m2", "m1"} {
			began := time.Now()
			stops = append(stops, e.background(func(ctx context.Context) error {
				return e.reg.HoldRunner(ctx, func() registry.Runner {
					used := 0
					if time.Since(began) > time.Second {
						used = 1
					}
					return registry.Runner{Machine: machine, Build: "x", PID: 7, Slots: 10, Used: used}
				})
			}))
		}
		e.eventually("both runners", func() bool {
			got, err := e.reg.Runners(e.ctx)
			want := []registry.Runner{
				{Machine: "m1", Build: "x", PID: 7, Slots: 10, Used: 1},
				{Machine: "m2", Build: "x", PID: 7, Slots: 10, Used: 1},
			}
			return err == nil && cmp.Equal(want, got)
		})
		e.ok(stops[0]())
		got, err := e.reg.Runners(e.ctx)
		e.ok(err)
		if len(got) != 1 || got[0].Machine != "m1" {
			e.Errorf("got runners %v after m2 ended, want m1", got)
		}
	},
}
