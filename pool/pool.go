package pool

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/pharos-live/pharos/runner"
)

// foreignTrust is for how long the count of other parents' machines is believed.
const foreignTrust = time.Second

// A Pool is one parent's view of a pool of machines.
type Pool struct {
	backend Backend
	o       Options
	ledger  reservations
	parent  string // this parent, as its Attend streams name it
	build   string
	log     *slog.Logger
	events  chan Event
	wake    chan struct{} // holds one: something that plan looks at has changed
	idle    chan struct{} // closed when Run may return: nothing of the pool's runs

	mu        sync.Mutex // protects all that follows, and what its types say
	begun     bool
	closed    bool            // nothing new is taken
	sealing   bool            // Run waits for running to become 0, which seals the pool
	sealed    bool            // Run is about to return: no goroutine, no event any more
	running   int             // goroutines
	taking    context.Context // Run's: ends when nothing new is taken
	living    context.Context // of machines: ends when there is no more time to end well
	machines  []*machine      // in the order they were reserved
	waiters   []*waiter       // in the order of their seq
	seq       uint64
	foreign   int
	foreignAt time.Time
	failures  int       // rounds of boots that failed in a row
	failedAt  time.Time // when the last of them was counted
	growAfter time.Time
	bootErr   *BootError
	counts    Counts
	dropped   int
	leaks     []error // machines that could not be destroyed
}

// New returns a pool of the backend's machines. It starts nothing.
func New(b Backend, o Options) (*Pool, error) {
	if b == nil {
		return nil, errors.New("pool needs a backend")
	}
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	id := make([]byte, 8)
	_, _ = rand.Read(id) // Never fails: crypto/rand.
	p := &Pool{
		backend: b,
		o:       o,
		ledger:  reservations{ledger: o.Ledger, pool: o.Name, max: o.Max},
		parent:  o.Name + "-parent-" + hex.EncodeToString(id),
		build:   runner.BuildID(),
		log:     o.Logger.With("pool", o.Name),
		events:  make(chan Event, maxEvents),
		wake:    make(chan struct{}, 1),
		idle:    make(chan struct{}),
	}
	return p, nil
}

// Run keeps the pool until ctx is done. It then takes nothing new, tells all placed
// work to stop, gives it Options.Shutdown to end by itself, destroys every machine
// and returns: nil, or the machines that it could not destroy. It may be called once.
func (p *Pool) Run(ctx context.Context) error {
	living, end := context.WithCancelCause(context.WithoutCancel(ctx))
	defer end(nil)
	if err := p.begin(ctx, living); err != nil {
		return err
	}
	told := make(chan struct{})
	go func() {
		defer close(told)
		p.tell()
	}()
	p.loop(ctx)
	err := p.drain(living, end)
	close(p.events)
	<-told
	return err
}

func (p *Pool) begin(taking, living context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.begun {
		return fmt.Errorf("run pool %s a second time: %w", p.o.Name, ErrClosed)
	}
	p.begun, p.taking, p.living = true, taking, living
	return nil
}

// loop plans whenever something has changed or the time has come.
func (p *Pool) loop(ctx context.Context) {
	timer := time.NewTimer(forever)
	defer timer.Stop()
	for ctx.Err() == nil {
		if next := p.step(); next.IsZero() { //nolint:contextcheck // Machines outlive ctx, which ends taking alone.
			timer.Stop()
		} else {
			timer.Reset(time.Until(next))
		}
		select {
		case <-ctx.Done():
		case <-p.wake:
		case <-timer.C:
		}
	}
}

// step plans once and does what the plan says. It returns when to plan again.
func (p *Pool) step() time.Time {
	p.mu.Lock()
	s, waiters, machines := p.stateLocked(), p.waiters, p.machines
	acts, next := plan(s)
	var logs []func()
	for _, a := range acts {
		switch a.kind {
		case actAssign:
			p.assignLocked(waiters[a.waiter], machines[a.machine])
		case actRefuse:
			err := p.refusalLocked(a.err)
			waiters[a.waiter].replyLocked(nil, err)
			logs = append(logs, func() { p.log.Warn("refuse work", "reason", err) })
		case actGrow:
			logs = append(logs, p.growLocked(a.count, s))
		case actRetire:
			machines[a.machine].asking = true
			p.spawnLocked(func() { p.retire(machines[a.machine]) })
		}
	}
	p.waiters = slices.DeleteFunc(waiters, func(w *waiter) bool { return w.answered })
	p.mu.Unlock()
	for _, log := range logs {
		log()
	}
	return next
}

// stateLocked is what plan decides on.
func (p *Pool) stateLocked() state {
	s := state{
		now: time.Now(), max: p.o.Max, concurrency: p.o.Concurrency,
		foreign: p.foreign, foreignAt: p.foreignAt,
		idleAfter: p.o.IdleAfter, bootTimeout: p.o.BootTimeout,
		growAfter: p.growAfter, bootErr: p.bootErr,
	}
	for _, m := range p.machines {
		s.machines = append(s.machines, m.machineStateLocked())
	}
	for _, w := range p.waiters {
		s.waiters = append(s.waiters, waiterState{noWait: w.noWait, since: w.since, failed: w.failed})
	}
	return s
}

// refusalLocked adds the numbers to ErrNoCapacity, so that a caller can name the
// settings behind them.
func (p *Pool) refusalLocked(err error) error {
	if !errors.Is(err, ErrNoCapacity) {
		return err
	}
	return fmt.Errorf("%w: all %d machines × %d slots are taken", err, p.o.Max, p.slotsLocked())
}

// slotsLocked is how much work one machine takes: what the last one said, or what
// the next will be asked for.
func (p *Pool) slotsLocked() int {
	if n := len(p.machines); n > 0 {
		return p.machines[n-1].slots
	}
	return p.o.Concurrency
}

// growLocked begins to make n machines. It returns the log line.
func (p *Pool) growLocked(n int, s state) func() {
	batch := make([]*machine, n)
	for i := range batch {
		batch[i] = newMachine(newLaunch(p.o.Name), p.o.Concurrency, p.log)
		p.emitLocked(Event{Kind: MachineBooting, Machine: batch[i].launch})
	}
	p.machines = append(slices.Clone(p.machines), batch...)
	p.spawnLocked(func() { p.grow(batch) })
	return func() {
		p.log.Info("grow", "reason", "no free slot", "by", n, "machines", len(s.machines), "max", p.o.Max, "waiting", len(s.waiters))
	}
}

// spawnLocked runs f on a goroutine that Run waits for. Once the pool is sealed there
// is nothing left for f to do, and it is dropped. This is no WaitGroup, as callers of
// Place spawn too, at any time, and a group must not grow while it is waited for.
func (p *Pool) spawnLocked(f func()) {
	if p.sealed {
		return
	}
	p.running++
	go func() {
		f()
		p.mu.Lock()
		defer p.mu.Unlock()
		p.running--
		p.sealLocked()
	}()
}

// spawn is spawnLocked for who does not hold the lock.
func (p *Pool) spawn(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.spawnLocked(f)
}

// sealLocked seals the pool if that is wanted and nothing runs.
func (p *Pool) sealLocked() {
	if p.sealing && p.running == 0 && !p.sealed {
		p.sealed = true
		close(p.idle)
	}
}

// signal has the loop plan again.
func (p *Pool) signal() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}
