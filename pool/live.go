package pool

import (
	"context"
	"errors"
	"fmt"
	"time"

	"connectrpc.com/connect"

	runnerv1 "github.com/pharos-live/pharos/proto/pharos/runner/v1"
	"github.com/pharos-live/pharos/runner"
)

const (
	// settleFor is how long a machine whose stream has ended gets for the results of
	// its work, and its exit, to become known.
	settleFor = 250 * time.Millisecond
	// retireTimeout bounds the answer to Retire.
	retireTimeout = 5 * time.Second
	// helloTimeout bounds one attempt, helloEvery and helloSlow the wait between two.
	helloTimeout = 2 * time.Second
	helloEvery   = time.Millisecond
	helloSlow    = 50 * time.Millisecond
	// destroyTimeout bounds one attempt to destroy a machine.
	destroyTimeout = 30 * time.Second
)

// Why a machine's life ends.
var (
	errRetired = errors.New("retired")
	errExited  = errors.New("machine ended")
	errLeft    = errors.New("runner ended the stream")
)

// live is a machine's life after its reservation, from top to bottom.
func (p *Pool) live(m *machine) {
	ctx, finish := context.WithCancelCause(p.living)
	defer finish(nil)
	p.mu.Lock()
	m.finish = finish
	p.mu.Unlock()

	w := &watch{exited: make(chan struct{}), stop: func() {}}
	stream, err := p.boot(ctx, m, w)
	if err != nil {
		p.bootFailed(m, asBootError("boot", err))
	} else {
		err := p.attend(ctx, m, stream)
		p.setPhase(m, phaseEnding)
		p.settle(m, w)
		p.ended(m, err)
	}
	finish(errLeft)
	close(m.quiet)
	if m.link != nil {
		m.link.close()
	}
	p.destroy(m)
	w.stop()
}

// boot makes the machine and waits until it takes work: its Attend stream is open.
func (p *Pool) boot(ctx context.Context, m *machine, w *watch) (_ *connect.ServerStreamForClient[runnerv1.AttendResponse], err error) {
	// The stream needs the machine's own context, which outlives the boot: a timer
	// ends it while the machine boots, and so does the end of Run's context.
	limit := time.AfterFunc(p.o.BootTimeout, func() { m.finish(&TimeoutError{Phase: PhaseBoot}) })
	defer limit.Stop()
	defer context.AfterFunc(p.taking, func() { m.finish(ErrClosed) })() //nolint:contextcheck // Run's, besides ours.

	at, err := p.backend.Boot(ctx, p.spec(m))
	if err != nil {
		return nil, asBootError("boot", because(ctx, err))
	}
	p.mu.Lock()
	m.at = at
	p.mu.Unlock()
	p.watch(ctx, m, w)

	m.link = newLink(p.backend, at, token(p.o.Key, m.launch), p.o.NoPing)
	hello, err := p.hello(ctx, m)
	if err != nil {
		return nil, p.bootError(ctx, m, w, "hello", err)
	}
	stream, err := m.link.rpc.Attend(ctx, connect.NewRequest(&runnerv1.AttendRequest{Parent: p.parent}))
	if err == nil && !stream.Receive() { // The first message comes at once.
		err = errors.Join(stream.Err(), errLeft)
	}
	if err != nil {
		return nil, p.bootError(ctx, m, w, "attend", err)
	}
	held, err := p.ledger.holds(ctx, m.launch)
	if err == nil && !held {
		err = errors.New("reservation gone")
	}
	if err != nil {
		return nil, p.bootError(ctx, m, w, "confirm", err)
	}
	m.names = hello.GetNames()
	return stream, p.bootDone(m, min(p.o.Concurrency, int(hello.GetSlots())))
}

// spec is what the backend is to make.
func (p *Pool) spec(m *machine) Spec {
	return Spec{
		Pool:    p.o.Name,
		Launch:  m.launch,
		Ticket:  runner.Ticket{Pool: p.o.Name, Machine: m.launch, Token: token(p.o.Key, m.launch)},
		Command: p.o.Runner,
	}
}

// bootError says why the boot failed: how the machine ended, if it did, tells more
// than the connection that broke by it.
func (p *Pool) bootError(ctx context.Context, m *machine, w *watch, phase string, err error) *BootError {
	if ctx.Err() == nil {
		w.settle()
	}
	p.mu.Lock()
	exit := m.exit
	p.mu.Unlock()
	if exit != nil {
		return &BootError{Phase: "start", Exit: exit, Err: errors.New(exit.String())}
	}
	return asBootError(phase, because(ctx, err))
}

// because is err, or what ended ctx where that is why.
func because(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	cause := context.Cause(ctx)
	if te, ok := errors.AsType[*TimeoutError](cause); ok {
		return &TimeoutError{Phase: te.Phase, Err: err}
	}
	return cause
}

// hello asks until the runner answers, and checks that it is the one meant.
func (p *Pool) hello(ctx context.Context, m *machine) (*runnerv1.HelloResponse, error) {
	wait, last := helloEvery, error(nil)
	for {
		h, err := p.helloOnce(ctx, m)
		if err == nil || errors.Is(err, errWrongRunner) {
			return h, err
		}
		if last == nil || ctx.Err() == nil {
			last = err // What the end of ctx makes of it says nothing.
		}
		if sleep(ctx, wait) != nil {
			return nil, last
		}
		wait = min(wait*3/2, helloSlow)
	}
}

// errWrongRunner marks an answer that asking again does not change.
var errWrongRunner = errors.New("not the runner meant")

func (p *Pool) helloOnce(ctx context.Context, m *machine) (*runnerv1.HelloResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, helloTimeout)
	defer cancel()
	resp, err := m.link.rpc.Hello(ctx, connect.NewRequest(&runnerv1.HelloRequest{Build: p.build}))
	switch {
	case connect.IsWireError(err) && connect.CodeOf(err) == connect.CodeUnauthenticated:
		return nil, wrongRunner("it does not take this pool's token")
	case err != nil:
		return nil, err
	case resp.Msg.GetMachine() != m.launch:
		return nil, wrongRunner("machine %q answers", resp.Msg.GetMachine())
	case resp.Msg.GetBuild() != p.build:
		return nil, wrongRunner("it is of build %s, this parent of build %s", resp.Msg.GetBuild(), p.build)
	case resp.Msg.GetSlots() < 1:
		return nil, wrongRunner("it has no slots")
	}
	return resp.Msg, nil
}

func wrongRunner(format string, args ...any) error {
	return &BootError{Phase: "hello", Retry: RetryNever, Err: fmt.Errorf("%w: "+format, append([]any{errWrongRunner}, args...)...)}
}

// attend takes the runner's news until its stream ends, and says why it did.
func (p *Pool) attend(ctx context.Context, m *machine, stream *connect.ServerStreamForClient[runnerv1.AttendResponse]) error {
	for ok := true; ok; ok = stream.Receive() { // boot has received the first
		p.news(m, stream.Msg())
	}
	err := because(ctx, stream.Err())
	m.finish(errLeft) // Or Close would wait for what is still to come.
	_ = stream.Close()
	if err == nil {
		return errLeft
	}
	return err
}

// news notes what the runner says of itself.
func (p *Pool) news(m *machine, n *runnerv1.AttendResponse) {
	p.mu.Lock()
	m.blocked = time.Time{}
	m.leaving = m.leaving || n.GetRetiring()
	drains := m.leaving && m.phase == phaseReady && !m.asking
	if drains {
		m.phase = phaseDraining // It goes by itself, once its work has ended.
	}
	p.signal()
	p.mu.Unlock()
	if drains {
		m.log.Info("machine drains", "reason", "its runner retires", "used", n.GetSlotsUsed())
	}
}

// ended notes why m's stream is over. A machine that was asked to go, or whose runner
// went by itself with nothing left to do, is not lost.
func (p *Pool) ended(m *machine, err error) {
	p.mu.Lock()
	used, machines := len(m.works), len(p.machines)
	if !m.retired && used == 0 && (m.leaving || m.asking) {
		p.retiredLocked(m)
	}
	lost := !m.retired
	if lost {
		p.counts.Lost++
		p.emitLocked(Event{Kind: MachineLost, Machine: m.launch, Took: time.Since(m.readyAt), Err: err})
	}
	p.mu.Unlock()
	facts := []any{"reason", err.Error(), "after", time.Since(m.readyAt), "machines", machines, "max", p.o.Max}
	if lost {
		m.log.Warn("machine lost", append(facts, "used", used)...)
	} else {
		m.log.Info("shrink", facts...)
	}
}
