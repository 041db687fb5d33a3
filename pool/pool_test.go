package pool_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pharos-live/pharos/pool"
	"github.com/pharos-live/pharos/pool/backendtest"
	"github.com/pharos-live/pharos/runner"
)

func TestPlace_BootsAMachineAndRunsTheJobThere(t *testing.T) {
	t.Parallel()
	bubble(t, pool.Options{Concurrency: 2}, func(g *rig) {
		pl := g.place(untilStopped)
		if got, want := pl.Value, "ready: until stopped"; got != want {
			g.Errorf("got value %q, want %q", got, want)
		}
		if got := string(pl.ID); !strings.HasPrefix(got, pl.Machine()+".") {
			g.Errorf("got id %q, want it to begin with the machine, %q", got, pl.Machine())
		}
		got := g.pool.Stats()
		want := pool.Stats{Ready: 1, Slots: 2, Used: 1, Counts: pool.Counts{Booted: 1, Placed: 1}}
		if diff := cmp.Diff(want, got); diff != "" {
			g.Errorf("stats (-want +got):\n%s", diff)
		}
		g.finish(pl)
		if got := g.pool.Stats().Used; got != 0 {
			g.Errorf("got %d slots used after the end, want 0", got)
		}
	})
}

func TestPlace_TheClientReachesWhatIsMounted(t *testing.T) {
	t.Parallel()
	bubble(t, pool.Options{}, func(g *rig) {
		c, url := g.place(untilStopped).Client()
		resp, err := c.Get(url + "/echo/there")
		if err != nil {
			g.Fatalf("get: %v", err)
		}
		defer resp.Body.Close() //nolint:errcheck // Only read.
		body, err := io.ReadAll(resp.Body)
		if got, want := string(body), "/echo/there"; err != nil || got != want || resp.ProtoMajor != 2 {
			g.Errorf("got %q by HTTP/%d, error %v; want %q by HTTP/2", got, resp.ProtoMajor, err, want)
		}
	})
}

func TestPlace_ReturnsTheJobsOwnFailure(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		do, message string
		panics      bool
	}{
		{fails, "no such codec", false},
		{panics, "at the disco", true},
	} {
		bubble(t, pool.Options{Concurrency: 1}, func(g *rig) {
			_, err := g.tryPlace(c.do)
			re := isError[*pool.RemoteError](g.T, err)
			if !strings.Contains(re.Message, c.message) || re.Panic != c.panics || (re.Stack != "") != c.panics {
				g.Errorf("got %+v, want message %q, panic %t", re, c.message, c.panics)
			}
			g.finish(g.place(untilStopped, pool.NoWait())) // The slot is free, the machine lives.
			if got := g.boots(); got != 1 {
				g.Errorf("got %d boots, want 1", got)
			}
		})
	}
}

func TestWait_TellsHowTheJobEnded(t *testing.T) {
	t.Parallel()
	bubble(t, pool.Options{}, func(g *rig) {
		began := time.Now()
		if err := g.place(second).Wait(context.Background()); err != nil {
			g.Errorf("got %v, want nil", err)
		}
		g.took(began, time.Second)
	})
}

func TestWait_EndsWithItsContext(t *testing.T) {
	t.Parallel()
	bubble(t, pool.Options{}, func(g *rig) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := g.place(untilStopped).Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
			g.Errorf("got %v, want the context's end", err)
		}
	})
}

func TestGrowth_CountsMachines(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name                                 string
		callers, concurrency, max, wantBoots int
	}{
		{"one boot serves two callers", 2, 2, 5, 1},
		{"a third takes a second machine", 3, 2, 5, 2},
		{"eleven by ten take two", 11, 10, 5, 2},
		{"never beyond the maximum", 5, 1, 2, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			bubble(t, pool.Options{Concurrency: c.concurrency, Max: c.max}, func(g *rig) {
				g.backend.Script(backendtest.Boot{Wait: time.Second}, backendtest.Boot{Wait: time.Second})
				var calls []<-chan result
				for range c.callers {
					calls = append(calls, g.placing(context.Background(), untilStopped))
				}
				room := min(c.callers, c.max*c.concurrency)
				for i, call := range calls[:room] {
					if r := <-call; r.err != nil {
						g.Errorf("caller %d: %v", i, r.err)
					}
				}
				for _, call := range calls[room:] {
					g.nothing(call)
				}
				if got := g.boots(); got != c.wantBoots {
					g.Errorf("got %d boots, want %d", got, c.wantBoots)
				}
				g.stop()
				for _, call := range calls[room:] {
					if r := <-call; !errors.Is(r.err, pool.ErrClosed) {
						g.Errorf("got %v, want ErrClosed", r.err)
					}
				}
			})
		})
	}
}

func TestGrowth_PacksTheFullestMachine(t *testing.T) {
	t.Parallel()
	bubble(t, pool.Options{Concurrency: 2, Max: 2}, func(g *rig) {
		a, _, c := g.place(untilStopped), g.place(untilStopped), g.place(untilStopped)
		if a.Machine() == c.Machine() {
			g.Fatal("the third is on the first machine, want two machines")
		}
		d := g.place(untilStopped)
		g.finish(a)
		g.finish(d) // Both machines have one slot free.
		g.finish(c) // The second has two.
		if e := g.place(untilStopped); e.Machine() != a.Machine() {
			g.Errorf("got machine %s, want the fuller one, %s", e.Machine(), a.Machine())
		}
	})
}

func TestQueue_IsServedInOrder(t *testing.T) {
	t.Parallel()
	bubble(t, pool.Options{Concurrency: 1}, func(g *rig) {
		now := g.place(untilStopped)
		first := g.placing(context.Background(), untilStopped)
		next := g.placing(context.Background(), untilStopped)
		for i, call := range []<-chan result{first, next} {
			g.nothing(call)
			g.finish(now)
			r := <-call
			if r.err != nil {
				g.Fatalf("caller %d: %v", i, r.err)
			}
			now = r.pl
		}
	})
}

func TestQueue_IsBounded(t *testing.T) {
	t.Parallel()
	bubble(t, pool.Options{Concurrency: 1, Queue: 1}, func(g *rig) {
		pl := g.place(untilStopped)
		waits := g.placing(context.Background(), untilStopped)
		if _, err := g.tryPlace(untilStopped); !errors.Is(err, pool.ErrQueueFull) {
			g.Errorf("got %v, want ErrQueueFull", err)
		}
		g.finish(pl)
		if r := <-waits; r.err != nil {
			g.Errorf("who waited: %v", r.err)
		}
	})
}

func TestQueue_IsLeftAtOnceWhenTheContextEnds(t *testing.T) {
	t.Parallel()
	bubble(t, pool.Options{Concurrency: 1}, func(g *rig) {
		pl := g.place(untilStopped)
		ctx, cancel := context.WithCancel(context.Background())
		gone := g.placing(ctx, untilStopped)
		waits := g.placing(context.Background(), untilStopped)
		cancel()
		if r := <-gone; !errors.Is(r.err, context.Canceled) {
			g.Errorf("got %v, want the context's end", r.err)
		}
		if got := g.pool.Stats().Waiting; got != 1 {
			g.Errorf("got %d waiting, want 1", got)
		}
		g.finish(pl)
		if r := <-waits; r.err != nil {
			g.Errorf("who stayed: %v", r.err)
		}
	})
}

func TestTimeout_NamesItsPhase(t *testing.T) {
	t.Parallel()
	const limit = 3 * time.Second
	short := func() (context.Context, context.CancelFunc) {
		return context.WithTimeout(context.Background(), limit)
	}
	check := func(g *rig, err error, phase string) {
		g.Helper()
		te := isError[*pool.TimeoutError](g.T, err)
		if te.Phase != phase || !errors.Is(err, context.DeadlineExceeded) {
			g.Errorf("got %v, want phase %s and a deadline", err, phase)
		}
	}
	t.Run("queue", func(t *testing.T) {
		t.Parallel()
		bubble(t, pool.Options{Concurrency: 1}, func(g *rig) {
			g.place(untilStopped)
			ctx, cancel := short()
			defer cancel()
			_, err := pool.Place(ctx, g.pool, hold, untilStopped)
			check(g, err, pool.PhaseQueue)
		})
	})
	t.Run("boot", func(t *testing.T) {
		t.Parallel()
		bubble(t, pool.Options{}, func(g *rig) {
			g.backend.Script(backendtest.Boot{Wait: time.Minute})
			ctx, cancel := short()
			defer cancel()
			_, err := pool.Place(ctx, g.pool, hold, untilStopped)
			check(g, err, pool.PhaseBoot)
		})
	})
	t.Run("run, by the caller's deadline", func(t *testing.T) {
		t.Parallel()
		bubble(t, pool.Options{}, func(g *rig) {
			ctx, cancel := short()
			defer cancel()
			_, err := pool.Place(ctx, g.pool, hold, slow)
			check(g, err, pool.PhaseRun)
		})
	})
	t.Run("run, by the pool's", func(t *testing.T) {
		t.Parallel()
		bubble(t, pool.Options{Timeout: limit, Concurrency: 1}, func(g *rig) {
			began := time.Now()
			_, err := g.tryPlace(slow)
			check(g, err, pool.PhaseRun)
			g.took(began, limit)
			g.finish(g.place(untilStopped)) // What was slow was stopped, and its slot is free.
			g.took(began, limit)
		})
	})
}

func TestNoWait_IsRefusedAtOnceWithTheNumbers(t *testing.T) {
	t.Parallel()
	bubble(t, pool.Options{Concurrency: 2, Max: 1}, func(g *rig) {
		g.backend.Script(backendtest.Boot{Wait: time.Second})
		// Two share the machine that boots; there is no slot on it for a third.
		first := g.placing(context.Background(), untilStopped, pool.NoWait())
		next := g.placing(context.Background(), untilStopped, pool.NoWait())
		for range 2 { // while it boots, and when it is full
			began := time.Now()
			_, err := g.tryPlace(untilStopped, pool.NoWait())
			if !errors.Is(err, pool.ErrNoCapacity) || !strings.Contains(err.Error(), "all 1 machines × 2 slots are taken") {
				g.Errorf("got %v, want ErrNoCapacity with the numbers", err)
			}
			g.took(began, 0)
			if first != nil {
				for _, call := range []<-chan result{first, next} {
					if r := <-call; r.err != nil {
						g.Errorf("got %v, want a placement", r.err)
					}
				}
			}
			first = nil
		}
		if got := g.boots(); got != 1 {
			g.Errorf("got %d boots, want 1", got)
		}
	})
}

func TestRefusal_IsPlacedElsewhereUnnoticed(t *testing.T) {
	t.Parallel()
	// The pool believes in two slots, as the first machine says so; but another
	// parent's work takes them. A second pool with the same key plays that parent.
	key := []byte("a key of more than sixteen bytes")
	bubble(t, pool.Options{Concurrency: 2, Max: 2, Key: key}, func(g *rig) {
		pl := g.place(untilStopped)
		occupy(g, pl.Machine(), key)
		other := g.place(untilStopped)
		if other.Machine() == pl.Machine() {
			g.Error("the second job is on the full machine")
		}
		if got := g.boots(); got != 2 {
			g.Errorf("got %d boots, want 2", got)
		}
	})
}

func TestPlace_BeforeRunWaitsForIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, err := pool.New(backendtest.NewMemory(newRunner(runner.Options{})), pool.Options{})
		if err != nil {
			t.Fatalf("new pool: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := pool.Place(ctx, p, hold, untilStopped); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want it to wait for its deadline", err)
		}
	})
}

func TestPlace_RefusesAnInputThatDoesNotCross(t *testing.T) {
	t.Parallel()
	bubble(t, pool.Options{}, func(g *rig) {
		_, err := g.tryPlace(strings.Repeat("x", pool.MaxInput)) // and two quotes
		if err == nil || !strings.Contains(err.Error(), "input of") {
			g.Errorf("got %v, want an error that names the size", err)
		}
		if _, err := pool.Place(context.Background(), g.pool, runner.DefineJob[string, string]("another"), ""); err == nil ||
			!strings.Contains(err.Error(), `knows no job "another", but ["hold"]`) {
			g.Errorf("got %v, want an error that names the jobs known", err)
		}
		largest := g.place(strings.Repeat("x", pool.MaxInput-2))
		if got, want := len(largest.Value), pool.MaxInput-2+len("ready: "); got != want {
			g.Errorf("got a value of %d bytes, want %d", got, want)
		}
	})
}

func TestNew_RefusesBadOptions(t *testing.T) {
	t.Parallel()
	b := backendtest.NewMemory(newRunner(runner.Options{}))
	_, err := pool.New(b, pool.Options{Name: "Bad Name", Key: []byte("short")})
	if err == nil || !strings.Contains(err.Error(), `"Bad Name"`) || !strings.Contains(err.Error(), "5 bytes") {
		t.Errorf("got %v, want one error that names both", err)
	}
	if _, err := pool.New(nil, pool.Options{}); err == nil {
		t.Error("no backend: got no error")
	}
}
