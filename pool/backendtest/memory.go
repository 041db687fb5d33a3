package backendtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/pharos-live/pharos/pool"
	"github.com/pharos-live/pharos/runner"
)

// destroyGrace is what a machine gets to end by itself once Destroy was called.
const destroyGrace = 5 * time.Second

// A Boot says what becomes of one call of Memory.Boot. The zero value boots at once.
type Boot struct {
	// Wait passes before Boot returns.
	Wait time.Duration
	// Err is what Boot then returns; nothing is made.
	Err error
	// Serve passes from then until the machine serves.
	Serve time.Duration
	// Dies, if not nil, is how the machine ends instead of serving.
	Dies *pool.Exit
}

// Memory is a backend that runs runners in this process, on in-memory connections. It
// works in synctest bubbles, of which it must be made, used and closed in one. Its
// methods are safe for concurrent use.
type Memory struct {
	newRunner func() *runner.Runner
	wg        sync.WaitGroup

	mu          sync.Mutex // protects all that follows
	script      []Boot
	specs       []pool.Spec
	hosts       map[string]*host
	failDestroy []error
}

var (
	_ pool.Backend = (*Memory)(nil)
	_ pool.Dialer  = (*Memory)(nil)
	_ pool.Watcher = (*Memory)(nil)
)

// NewMemory returns a backend whose machines run what newRunner makes: a new Runner
// each time, with NoPing in bubbles.
func NewMemory(newRunner func() *runner.Runner) *Memory {
	return &Memory{newRunner: newRunner, hosts: map[string]*host{}}
}

// Script says what the next boots do, in order; those after them boot at once.
func (b *Memory) Script(boots ...Boot) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.script = append(b.script, boots...)
}

// FailDestroy has the next calls of Destroy fail, one with each error.
func (b *Memory) FailDestroy(errs ...error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failDestroy = append(b.failDestroy, errs...)
}

// Booted is what Boot was called with, in order.
func (b *Memory) Booted() []pool.Spec {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.specs)
}

// Kill ends a machine at once, as a crash does: its connections break, and its
// runner's work ends. Watch says exit.
func (b *Memory) Kill(launch string, exit pool.Exit) {
	if h := b.host(launch); h != nil {
		h.end(exit)
	}
}

// Freeze has a machine's connections carry nothing any more, as a stopped process
// or a broken path does. New ones open, and carry nothing either.
func (b *Memory) Freeze(launch string) {
	if h := b.host(launch); h != nil {
		h.freeze()
	}
}

// Close ends all machines and waits for what they ran.
func (b *Memory) Close() {
	b.mu.Lock()
	for _, h := range b.hosts {
		h.end(pool.Exit{Code: -1, Signal: "killed"})
	}
	b.mu.Unlock()
	b.wg.Wait()
}

// Boot implements pool.Backend, as the script says.
func (b *Memory) Boot(ctx context.Context, s pool.Spec) (pool.Machine, error) {
	b.mu.Lock()
	if h := b.hosts[s.Launch]; h != nil {
		b.mu.Unlock()
		return h.machine, nil
	}
	b.specs = append(b.specs, s)
	var plan Boot
	if len(b.script) > 0 {
		plan, b.script = b.script[0], b.script[1:]
	}
	b.mu.Unlock()

	if err := pause(ctx, plan.Wait); err != nil {
		return pool.Machine{}, err
	}
	if plan.Err != nil {
		return pool.Machine{}, plan.Err
	}
	return b.start(ctx, s, plan).machine, nil
}

// start begins the life of a machine, unless it has begun meanwhile.
func (b *Memory) start(ctx context.Context, s pool.Spec, plan Boot) *host {
	b.mu.Lock()
	defer b.mu.Unlock()
	if h := b.hosts[s.Launch]; h != nil {
		return h
	}
	h := newHost(context.WithoutCancel(ctx), s)
	b.hosts[s.Launch] = h
	b.wg.Go(func() { h.run(b.newRunner, plan) })
	return h
}

// Destroy implements pool.Backend: it asks the machine to end, and ends it after five
// seconds.
func (b *Memory) Destroy(ctx context.Context, m pool.Machine) error {
	b.mu.Lock()
	h := b.hosts[m.Launch]
	if len(b.failDestroy) > 0 {
		err := b.failDestroy[0]
		b.failDestroy = b.failDestroy[1:]
		b.mu.Unlock()
		return err
	}
	b.mu.Unlock()
	if h == nil {
		return nil
	}
	h.cancel()
	timer := time.NewTimer(destroyGrace)
	defer timer.Stop()
	select {
	case <-h.exited:
	case <-timer.C:
		h.end(pool.Exit{Code: -1, Signal: "killed"})
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.hosts, m.Launch)
	return nil
}

// List implements pool.Backend.
func (b *Memory) List(_ context.Context, name string) ([]pool.Machine, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var list []pool.Machine
	for _, h := range b.hosts {
		if h.pool == name && !h.ended() {
			list = append(list, h.machine)
		}
	}
	return list, nil
}

// Dial implements pool.Dialer.
func (b *Memory) Dial(ctx context.Context, m pool.Machine) (net.Conn, error) {
	h := b.host(m.Launch)
	if h == nil {
		return nil, fmt.Errorf("dial %s: no such machine", m.Launch)
	}
	c, err := h.dial(ctx)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", m.Launch, err)
	}
	return c, nil
}

// Watch implements pool.Watcher.
func (b *Memory) Watch(ctx context.Context, m pool.Machine) (pool.Exit, error) {
	h := b.host(m.Launch)
	if h == nil {
		return pool.Exit{}, errors.New("no such machine: " + m.Launch)
	}
	select {
	case <-h.exited:
		return h.exit, nil
	case <-ctx.Done():
		return pool.Exit{}, context.Cause(ctx)
	}
}

func (b *Memory) host(launch string) *host {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.hosts[launch]
}

// pause waits for d, which may be 0, or returns the cause that ended ctx first.
func pause(ctx context.Context, d time.Duration) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
