package pool_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pharos-live/pharos/pool"
	"github.com/pharos-live/pharos/pool/backendtest"
	"github.com/pharos-live/pharos/runner"
)

func TestRun_StopsWorkAndWaitsForIt(t *testing.T) {
	t.Parallel()
	bubble(t, pool.Options{Concurrency: 2}, func(g *rig) {
		pl := g.place(untilStopped)
		began := time.Now()
		g.stop()
		if err := pl.Wait(context.Background()); err != nil {
			g.Errorf("got %v, want the job to end well", err)
		}
		synctest.Wait()
		g.took(began, 0)
		if _, err := g.tryPlace(untilStopped); !errors.Is(err, pool.ErrClosed) {
			g.Errorf("got %v, want ErrClosed", err)
		}
	})
}

func TestRun_WaitsNoLongerThanShutdown(t *testing.T) {
	t.Parallel()
	o := pool.Options{Shutdown: 10 * time.Second}
	bubbleWith(t, o, runner.Options{Shutdown: time.Second}, func(g *rig) {
		pl := g.place(deaf)
		began := time.Now()
		g.end()
		le := isError[*pool.LostError](g.T, pl.Wait(context.Background()))
		if le.Started != pool.StartedYes {
			g.Errorf("got %+v, want it to have started", le)
		}
		if got := time.Since(began); got < 10*time.Second || got > 17*time.Second {
			g.Errorf("run took %s to end, want 10 s and what Destroy takes", got)
		}
		g.done <- nil // for the end of the test
		time.Sleep(time.Minute)
	})
}

func TestRun_EndsWhatIsOnItsWay(t *testing.T) {
	t.Parallel()
	bubble(t, pool.Options{Concurrency: 1, Max: 2}, func(g *rig) {
		starts := g.placing(context.Background(), slow)
		g.backend.Script(backendtest.Boot{Serve: time.Minute})
		boots := g.placing(context.Background(), untilStopped)
		began := time.Now()
		g.stop()
		for _, call := range []<-chan result{starts, boots} {
			if r := <-call; !errors.Is(r.err, pool.ErrClosed) {
				g.Errorf("got %v, want ErrClosed", r.err)
			}
		}
		g.took(began, 0)
	})
}

func TestRun_RunsOnce(t *testing.T) {
	t.Parallel()
	bubble(t, pool.Options{}, func(g *rig) {
		synctest.Wait()
		if err := g.pool.Run(context.Background()); !errors.Is(err, pool.ErrClosed) {
			g.Errorf("got %v, want ErrClosed", err)
		}
	})
}
