package registrytest

import (
	"slices"
	"sync"
	"time"

	"github.com/pharos-live/pharos/internal/registry"
)

var counterCases = map[string]func(*env){
	"epochs and terms never go back after FLUSHALL": func(e *env) {
		epoch, term := e.epoch("kitchen"), e.term("b1")
		if again := e.epoch("kitchen"); again <= epoch {
			e.Errorf("got epoch %d after %d, want more", again, epoch)
		}
		// The number after the flush is Redis' time: let its clock pass what was taken ahead of it.
		<-time.After(10 * time.Millisecond)
		e.ok(e.raw.FlushAll(e.ctx).Err())
		if again := e.epoch("kitchen"); again <= epoch+1 {
			e.Errorf("got epoch %d after a flush, want more than %d", again, epoch+1)
		}
		if again := e.term("b1"); again <= term {
			e.Errorf("got term %d after a flush, want more than %d", again, term)
		}
	},

	"an epoch ahead of the clock is still followed by the next": func(e *env) {
		ahead := uint64(time.Now().Add(1000*time.Hour).UnixMilli()) + 1<<40
		e.ok(e.raw.Set(e.ctx, "pharos:{c:kitchen}:epoch", ahead, 0).Err())
		if got := e.epoch("kitchen"); got != ahead+1 {
			e.Errorf("got epoch %d, want %d", got, ahead+1)
		}
	},

	"500 goroutines take 500 epochs": func(e *env) {
		const n = 500
		var (
			mu   sync.Mutex
			seen []uint64
			wg   sync.WaitGroup
		)
		for range n {
			wg.Go(func() {
				epoch, err := e.reg.NextEpoch(e.ctx, "kitchen")
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					e.Errorf("got error %v, want none", err)
				}
				seen = append(seen, epoch)
			})
		}
		wg.Wait()
		slices.Sort(seen)
		if got := len(slices.Compact(seen)); got != n {
			e.Errorf("got %d different epochs, want %d", got, n)
		}
		newest, err := e.reg.Epoch(e.ctx, "kitchen")
		e.ok(err)
		if newest != seen[n-1] {
			e.Errorf("got newest epoch %d, want %d", newest, seen[n-1])
		}
	},

	"a channel without an epoch has epoch 0": func(e *env) {
		got, err := e.reg.Epoch(e.ctx, "kitchen")
		e.ok(err)
		if got != 0 {
			e.Errorf("got epoch %d, want 0", got)
		}
	},

	"a cached key generation never goes down, and expires": func(e *env) {
		for _, gen := range []uint64{3, 4, 3} {
			e.ok(e.reg.SetGeneration(e.ctx, "kitchen", gen))
		}
		gen, ok, err := e.reg.Generation(e.ctx, "kitchen")
		e.ok(err)
		if gen != 4 || !ok {
			e.Errorf("got generation %d, %t, want 4, true", gen, ok)
		}
		ttl := e.raw.PTTL(e.ctx, "pharos:{c:kitchen}:generation").Val()
		if ttl <= 0 || ttl > registry.GenerationTTL {
			e.Errorf("got TTL %s, want up to %s", ttl, registry.GenerationTTL)
		}
		if _, ok, err = e.reg.Generation(e.ctx, "garden"); ok || err != nil {
			e.Errorf("got %t, %v for a channel without one, want false, nil", ok, err)
		}
	},

	"Check passes on a Redis that takes writes": func(e *env) {
		e.ok(e.reg.Check(e.ctx))
	},
}
