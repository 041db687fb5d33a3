package pool_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pharos-live/pharos/pool"
	"github.com/pharos-live/pharos/pool/backendtest"
)

var errBoot = errors.New("out of stock")

func TestBoot_RetryServesTheSameCaller(t *testing.T) {
	t.Parallel()
	bubble(t, pool.Options{}, func(g *rig) {
		g.backend.Script(backendtest.Boot{Err: errBoot}, backendtest.Boot{Serve: time.Second, Dies: &pool.Exit{Code: 3}})
		g.finish(g.place(untilStopped))
		got := g.kinds(pool.MachineBooting, pool.MachineFailed, pool.MachineReady, pool.WorkPlaced, pool.WorkEnded)
		want := []pool.EventKind{
			pool.MachineBooting, pool.MachineFailed, pool.MachineBooting, pool.MachineFailed,
			pool.MachineBooting, pool.MachineReady, pool.WorkPlaced, pool.WorkEnded,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			g.Errorf("events (-want +got):\n%s", diff)
		}
	})
}

func TestBoot_ThirdFailureReachesTheCaller(t *testing.T) {
	t.Parallel()
	bubble(t, pool.Options{Max: 5}, func(g *rig) {
		fail := backendtest.Boot{Err: errBoot}
		g.backend.Script(fail, fail, fail)
		began := time.Now()
		_, err := g.tryPlace(untilStopped)
		be := isError[*pool.BootError](g.T, err)
		if !errors.Is(err, errBoot) || be.Phase != "boot" {
			g.Errorf("got %v, want the backend's cause in phase boot", err)
		}
		if got := time.Since(began); got < 150*time.Millisecond || got > time.Second {
			g.Errorf("took %s, want two waits between 100 and 200 ms", got)
		}
		if got := g.boots(); got != 3 {
			g.Errorf("got %d boots, want 3", got)
		}
		g.finish(g.place(untilStopped)) // A later caller has it tried again.
	})
}

func TestBoot_FailureReachesWhoDoesNotWaitAtOnce(t *testing.T) {
	t.Parallel()
	exit := &pool.Exit{Code: 3, Tail: []string{"starting", "ffmpeg not found"}}
	for _, c := range []struct {
		name string
		boot backendtest.Boot
		opts []pool.CallOption
		want string
	}{
		{"nowait", backendtest.Boot{Err: errBoot}, []pool.CallOption{pool.NoWait()}, "out of stock"},
		{"a retry is useless", backendtest.Boot{Err: &pool.BootError{Phase: "exec", Retry: pool.RetryNever, Err: errBoot}}, nil, "exec: out of stock"},
		{"died with exit code and last lines", backendtest.Boot{Dies: exit}, []pool.CallOption{pool.NoWait()}, "code 3; its last line: ffmpeg not found"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			bubble(t, pool.Options{}, func(g *rig) {
				g.backend.Script(c.boot)
				began := time.Now()
				_, err := g.tryPlace(untilStopped, c.opts...)
				be := isError[*pool.BootError](g.T, err)
				if !strings.Contains(err.Error(), c.want) {
					g.Errorf("got %v, want it to say %q", err, c.want)
				}
				if c.boot.Dies != nil {
					if diff := cmp.Diff(c.boot.Dies, be.Exit); diff != "" {
						g.Errorf("exit (-want +got):\n%s", diff)
					}
				}
				g.took(began, 0)
				if got := g.boots(); got != 1 {
					g.Errorf("got %d boots, want 1", got)
				}
				// The next one is told why too, as no boot may be tried yet.
				if _, err := g.tryPlace(untilStopped, pool.NoWait()); !strings.Contains(err.Error(), c.want) {
					g.Errorf("next: got %v, want it to say %q", err, c.want)
				}
			})
		})
	}
}

func TestBoot_TimesOut(t *testing.T) {
	t.Parallel()
	bubble(t, pool.Options{BootTimeout: 5 * time.Second}, func(g *rig) {
		g.backend.Script(backendtest.Boot{Serve: time.Hour})
		began := time.Now()
		_, err := g.tryPlace(untilStopped)
		be := isError[*pool.BootError](g.T, err)
		if te := isError[*pool.TimeoutError](g.T, err); be.Phase != "hello" || te.Phase != pool.PhaseBoot {
			g.Errorf("got %v, want a timeout of the boot in phase hello", err)
		}
		if !strings.Contains(err.Error(), "refused") {
			g.Errorf("got %v, want what stood in the way", err)
		}
		g.took(began, 5*time.Second)
	})
}

func TestBoot_BacksOffAndNeverSpins(t *testing.T) {
	t.Parallel()
	bubble(t, pool.Options{Max: 10, Concurrency: 1}, func(g *rig) {
		for range 1000 {
			g.backend.Script(backendtest.Boot{Err: errBoot})
		}
		// Callers come every 100 ms for a minute, and each would have a boot tried.
		for range 600 {
			g.placing(context.Background(), untilStopped)
			time.Sleep(100 * time.Millisecond)
		}
		if got := g.boots(); got < 10 || got > 400 {
			g.Errorf("got %d boots in a minute, want backing off", got)
		}
		g.stop()
		synctest.Wait()
	})
}
