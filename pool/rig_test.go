package pool_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pharos-live/pharos/pool"
	"github.com/pharos-live/pharos/pool/backendtest"
	"github.com/pharos-live/pharos/runner"
)

// What jobs of the tests do, by their input.
var hold = runner.DefineJob[string, string]("hold")

const (
	untilStopped = "until stopped" // ends well when it is told to
	deaf         = "deaf"          // ends a minute after it was told to
	slow         = "slow"          // is ready after 10 s
	fails        = "fails"         // fails before it is ready
	panics       = "panics"
	second       = "second" // ends well one second after it was ready
)

func holdJob(ctx context.Context, in string, ready func(string)) error {
	switch in {
	case fails:
		return errors.New("no such codec")
	case panics:
		panic("at the disco")
	case slow:
		select {
		case <-time.After(10 * time.Second):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	ready("ready: " + in)
	if in == second {
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
		}
		return nil
	}
	<-ctx.Done()
	if in == deaf {
		time.Sleep(time.Minute)
	}
	if cause := context.Cause(ctx); !errors.Is(cause, runner.ErrStopped) {
		return cause
	}
	return nil
}

// newRunner makes the runner of a machine with so many slots.
func newRunner(o runner.Options) func() *runner.Runner {
	o.NoPing = true
	return func() *runner.Runner {
		r := runner.New(o)
		runner.HandleJob(r, hold, holdJob)
		r.Mount("/echo/", http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			_, _ = fmt.Fprint(w, q.URL.Path)
		}))
		r.Mount("/hang/", http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			w.WriteHeader(http.StatusOK)
			_ = http.NewResponseController(w).Flush() // The test sees that nothing comes.
			<-q.Context().Done()
		}))
		return r
	}
}

// rig is a pool in a bubble, on a backend in memory.
type rig struct {
	*testing.T
	pool    *pool.Pool
	backend *backendtest.Memory

	mu     sync.Mutex // protects events
	events []pool.Event

	stop context.CancelFunc // ends Run's context
	done chan error         // what Run returned
}

// bubble runs test in a bubble, on a pool with o whose runners have as many slots as
// o.Concurrency says.
func bubble(t *testing.T, o pool.Options, test func(*rig)) {
	t.Helper()
	bubbleWith(t, o, runner.Options{Slots: o.Concurrency}, test)
}

func bubbleWith(t *testing.T, o pool.Options, ro runner.Options, test func(*rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, o, ro, false)
		test(g)
		g.end()
	})
}

// newRig is for use in a bubble. Pings cost time where much of it passes.
func newRig(t *testing.T, o pool.Options, ro runner.Options, pings bool) *rig {
	t.Helper()
	g := &rig{T: t, backend: backendtest.NewMemory(newRunner(ro)), done: make(chan error, 1)}
	o.NoPing = !pings
	o.Event = func(e pool.Event) {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.events = append(g.events, e)
	}
	if testing.Verbose() {
		o.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	p, err := pool.New(g.backend, o)
	if err != nil {
		t.Fatalf("new pool: %v", err)
	}
	g.pool = p
	ctx, cancel := context.WithCancel(context.Background())
	g.stop = cancel
	go func() { g.done <- p.Run(ctx) }()
	return g
}

// end stops the pool, and checks that it leaves no machine.
func (g *rig) end() {
	g.Helper()
	g.stop()
	if err := <-g.done; err != nil {
		g.Errorf("run: %v", err)
	}
	if left := g.machines(); len(left) > 0 {
		g.Errorf("got machines %v left, want none", left)
	}
	g.backend.Close()
}

// place places a job that does what do says, or fails the test.
func (g *rig) place(do string, o ...pool.CallOption) *pool.Placement[string] {
	g.Helper()
	pl, err := g.tryPlace(do, o...)
	if err != nil {
		g.Fatalf("place: %v", err)
	}
	return pl
}

func (g *rig) tryPlace(do string, o ...pool.CallOption) (*pool.Placement[string], error) {
	return pool.Place(context.Background(), g.pool, hold, do, o...)
}

// result is what a call of Place returned.
type result struct {
	pl  *pool.Placement[string]
	err error
}

// placing calls Place on a goroutine of its own, which queues after all before it.
func (g *rig) placing(ctx context.Context, do string, o ...pool.CallOption) <-chan result {
	c := make(chan result, 1)
	go func() {
		pl, err := pool.Place(ctx, g.pool, hold, do, o...)
		c <- result{pl, err}
	}()
	synctest.Wait()
	return c
}

// nothing fails if the call has returned.
func (g *rig) nothing(c <-chan result) {
	g.Helper()
	synctest.Wait()
	select {
	case r := <-c:
		g.Fatalf("got %+v, want the call to wait", r)
	default:
	}
}

// finish stops a placement and waits for its end.
func (g *rig) finish(pl *pool.Placement[string]) {
	g.Helper()
	if err := pl.Stop(context.Background()); err != nil {
		g.Errorf("stop: %v", err)
	}
	if err := pl.Wait(context.Background()); err != nil {
		g.Errorf("wait: %v", err)
	}
}

func (g *rig) boots() int { return len(g.backend.Booted()) }

func (g *rig) machines() []pool.Machine {
	list, _ := g.backend.List(context.Background(), pool.DefaultName) // Memory's never fails.
	return list
}

// kinds are the events so far, of the kinds given.
func (g *rig) kinds(of ...pool.EventKind) []pool.EventKind {
	synctest.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	var kinds []pool.EventKind
	for _, e := range g.events {
		if slices.Contains(of, e.Kind) {
			kinds = append(kinds, e.Kind)
		}
	}
	return kinds
}

// isError is errors.As for tests: the error of type E in err, or a failed test.
func isError[E error](t *testing.T, err error) E {
	t.Helper()
	e, ok := errors.AsType[E](err)
	if !ok {
		t.Fatalf("got error %v (%T), want a %T", err, err, e)
	}
	return e
}

// took fails unless the time since began is want, within a tenth of a second.
func (g *rig) took(began time.Time, want time.Duration) {
	g.Helper()
	if got := time.Since(began); got < want || got > want+100*time.Millisecond {
		g.Errorf("took %s, want %s", got, want)
	}
}
