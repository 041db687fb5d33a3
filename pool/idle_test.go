package pool_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pharos-live/pharos/pool"
	"github.com/pharos-live/pharos/runner"
)

func TestIdle_MachineIsRetiredAndForgotten(t *testing.T) {
	t.Parallel()
	bubble(t, pool.Options{IdleAfter: 5 * time.Second}, func(g *rig) {
		pl := g.place(untilStopped)
		time.Sleep(time.Minute) // Work holds it for as long as it takes.
		g.finish(pl)
		time.Sleep(5*time.Second - time.Millisecond)
		if got := len(g.machines()); got != 1 {
			g.Fatalf("got %d machines just before, want 1", got)
		}
		time.Sleep(100 * time.Millisecond)
		if got := len(g.machines()); got != 0 {
			g.Errorf("got %d machines, want none", got)
		}
		time.Sleep(time.Second)
		want := pool.Stats{Counts: pool.Counts{Booted: 1, Retired: 1, Placed: 1}}
		if diff := cmp.Diff(want, g.pool.Stats()); diff != "" {
			g.Errorf("stats (-want +got):\n%s", diff)
		}
		g.finish(g.place(untilStopped, pool.NoWait())) // Its reservation is given back.
	})
}

func TestIdle_RunnerThatSaysNoIsKept(t *testing.T) {
	t.Parallel()
	var busy atomic.Bool
	busy.Store(true)
	ro := runner.Options{IdleOK: func() bool { return !busy.Load() }}
	bubbleWith(t, pool.Options{IdleAfter: 5 * time.Second}, ro, func(g *rig) {
		g.finish(g.place(untilStopped))
		time.Sleep(time.Minute)
		if got := len(g.machines()); got != 1 {
			g.Fatalf("got %d machines, want the busy one kept", got)
		}
		busy.Store(false)
		time.Sleep(6 * time.Second)
		if got := len(g.machines()); got != 0 {
			g.Errorf("got %d machines, want none", got)
		}
	})
}

// TestIdle_EdgeLosesNoWork places work just when machines are about to be retired:
// every call must succeed, whichever side of the edge it falls on.
func TestIdle_EdgeLosesNoWork(t *testing.T) {
	t.Parallel()
	bubble(t, pool.Options{IdleAfter: time.Millisecond, Concurrency: 2}, func(g *rig) {
		var wg sync.WaitGroup
		for i := range 2 {
			wg.Go(func() {
				for n := range 150 {
					pl, err := g.tryPlace(untilStopped, pool.NoWait())
					if err != nil {
						g.Errorf("caller %d, call %d: %v", i, n, err)
						return
					}
					g.finish(pl)
					time.Sleep(time.Millisecond + time.Duration(n%3-1)*time.Microsecond/2)
				}
			})
		}
		wg.Wait()
		s := g.pool.Stats()
		if s.Placed != 300 || s.Refused != 0 || s.Lost != 0 || s.Retired < 10 {
			g.Errorf("got %+v, want 300 placed, none refused or lost, and many retired", s)
		}
	})
}
