package registrytest

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/pharos-live/pharos/internal/registry"
)

// Times that the suite knows of the registry.
const (
	leaseTTL   = 5 * time.Second
	leaseRenew = 1500 * time.Millisecond
	patience   = 20 * time.Second // before a condition counts as failed
)

// cases are the suite: each proves the sentence that is its name, on a Redis of its own.
func cases() map[string]func(*env) {
	all := map[string]func(*env){}
	for _, group := range []map[string]func(*env){
		counterCases, leaseCases, publishCases, runnerCases, bellCases, feedCases, failureCases, readerCases, leadCases,
	} {
		for name, test := range group {
			all[name] = test
		}
	}
	return all
}

// Run runs the suite in real time; open gives each case an empty Redis of its own.
func Run(t *testing.T, open func(testing.TB) *Redis) {
	for name, test := range cases() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(newEnv(t, open, false))
		})
	}
}

// RunInBubbles runs each case of the suite in a synctest bubble, where waiting takes no time and a goroutine
// left behind fails the test.
func RunInBubbles(t *testing.T, open func(testing.TB) *Redis) {
	for name, test := range cases() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { test(newEnv(t, open, true)) })
		})
	}
}

// env is what a case works with.
type env struct {
	*testing.T
	ctx    context.Context
	redis  *Redis
	raw    *redis.Client      // past the registry
	reg    *registry.Registry // with the default options
	bubble bool
}

func newEnv(t *testing.T, open func(testing.TB) *Redis, bubble bool) *env {
	r := open(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	t.Cleanup(cancel)
	return &env{T: t, ctx: ctx, redis: r, raw: r.Client(t), reg: r.Registry(t, registry.Options{}), bubble: bubble}
}

// slack is what a thing that takes no time may take: none in a bubble, some on a busy machine.
func (e *env) slack() time.Duration {
	if e.bubble {
		return time.Millisecond
	}
	return 700 * time.Millisecond
}

// ok fails the case on an error.
func (e *env) ok(err error) {
	e.Helper()
	if err != nil {
		e.Fatalf("got error %v, want none", err)
	}
}

// background runs f until the case ends or the returned stop is called, which waits and returns f's error.
func (e *env) background(f func(context.Context) error) (stop func() error) {
	ctx, cancel := context.WithCancel(e.ctx)
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		err = f(ctx)
	}()
	stop = func() error {
		cancel()
		<-done
		return err
	}
	e.Cleanup(func() { _ = stop() })
	return stop
}

// eventually waits until cond says true, and says what was missing if it never does.
func (e *env) eventually(what string, cond func() bool) {
	e.Helper()
	e.eventuallyIn(patience, what, cond)
}

func (e *env) eventuallyIn(most time.Duration, what string, cond func() bool) {
	e.Helper()
	deadline, poll := time.Now().Add(most), 5*time.Millisecond
	if e.bubble {
		poll = 20 * time.Millisecond // time costs nothing there, looking does
	}
	for !cond() {
		if time.Now().After(deadline) {
			e.Fatalf("%s: not within %s", what, most)
		}
		<-time.After(poll)
	}
}

// within waits for c and fails unless it came in that time; it returns what came.
func within[T any](e *env, d time.Duration, what string, c <-chan T) T {
	e.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(d):
		e.Fatalf("%s: not within %s", what, d)
		panic("unreachable")
	}
}

// epoch takes the channel's next epoch.
func (e *env) epoch(channel string) uint64 {
	e.Helper()
	n, err := e.reg.NextEpoch(e.ctx, channel)
	e.ok(err)
	return n
}

// term takes the broadcast's next term.
func (e *env) term(broadcast string) uint64 {
	e.Helper()
	n, err := e.reg.NextTerm(e.ctx, broadcast)
	e.ok(err)
	return n
}

func numbered(format string, from, to int) [][]byte {
	var all [][]byte
	for i := from; i < to; i++ {
		all = append(all, fmt.Appendf(nil, format, i))
	}
	return all
}
