package pool

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"connectrpc.com/connect"

	runnerv1 "github.com/pharos-live/pharos/proto/pharos/runner/v1"
	"github.com/pharos-live/pharos/runner"
)

// MaxInput is how large a job's encoded input may be, in bytes. A runner reads messages
// of 4 MiB; beyond that it would say what it says when it is full.
const MaxInput = 4<<20 - 4<<10

// A Placement is a job that runs on a machine. Its methods are safe for concurrent use.
type Placement[Out any] struct {
	// ID names the work for ever.
	ID WorkID
	// Value is what the job passed to ready.
	Value Out

	pool   *Pool
	work   *work
	client func() *http.Client
}

// Place starts j on a machine of p and returns when j says that it is ready. It
// waits for a slot as long as ctx allows, see NoWait, and for the job to be ready
// for at most Options.Timeout; where either ends first, the job is told to stop. The
// job ends with this parent.
//
// Before Run it waits for Run. Errors: ErrClosed once Run's context is done,
// ErrQueueFull, ErrNoCapacity, *BootError, *TimeoutError, the cause of ctx's end,
// *RemoteError where the job ended or failed before it was ready, *LostError where
// its machine was lost, and plain ones where the input does not encode or is larger
// than MaxInput, or the runner does not know the job. What may have started is never
// started again.
func Place[In, Out any](ctx context.Context, p *Pool, j runner.Job[In, Out], in In, opts ...CallOption) (*Placement[Out], error) {
	var o callOptions
	for _, opt := range opts {
		opt(&o)
	}
	input, err := j.EncodeIn(in)
	if err != nil {
		return nil, err
	}
	if len(input) > MaxInput {
		return nil, fmt.Errorf("place %s: input of %d bytes, and at most %d may cross", j.Name(), len(input), MaxInput)
	}
	t, ready, err := p.place(ctx, j.Name(), input, o)
	if err != nil {
		return nil, fmt.Errorf("place %s: %w", j.Name(), err)
	}
	out, err := j.DecodeOut(ready)
	if err != nil {
		p.stopQuietly(t)
		return nil, err
	}
	return &Placement[Out]{ID: t.id, Value: out, pool: p, work: t, client: sync.OnceValue(func() *http.Client { return p.clientOf(t) })}, nil
}

// Machine is the launch id of the machine that it runs on.
func (pl *Placement[Out]) Machine() string { return pl.work.machine.launch }

// Wait waits until the job has ended: nil, a *RemoteError or a *LostError; or until
// ctx has, with its cause.
func (pl *Placement[Out]) Wait(ctx context.Context) error {
	select {
	case <-pl.work.done:
		return pl.work.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Stop asks the job to end and returns once its runner knows; Wait tells when it
// has. A job that has ended already is not an error.
func (pl *Placement[Out]) Stop(ctx context.Context) error {
	select {
	case <-pl.work.done:
		return nil
	default:
	}
	if err := pl.pool.stop(ctx, pl.work); err != nil {
		return fmt.Errorf("stop work %s: %w", pl.ID, err)
	}
	return nil
}

// Client reaches what the runner has mounted, below baseURL: it dials through the
// backend, speaks HTTP/2 without TLS on a connection of its own, and shows the
// machine's token. A frozen runner is noticed within two seconds, unless
// Options.NoPing. It is the same client each time, and of no use once the machine is gone.
func (pl *Placement[Out]) Client() (c *http.Client, baseURL string) {
	return pl.client(), pl.work.machine.link.base
}

// clientOf makes the client of t, whose idle connections go with it.
func (p *Pool) clientOf(t *work) *http.Client {
	c := t.machine.link.client()
	p.spawn(func() {
		<-t.done
		c.CloseIdleConnections()
	})
	return c
}

// place finds a slot and starts the work there, elsewhere where it is refused.
func (p *Pool) place(ctx context.Context, name string, input []byte, o callOptions) (t *work, ready []byte, err error) {
	began := time.Now()
	w := &waiter{noWait: o.noWait, since: began}
	for refusals := 0; ; {
		t, err = p.slot(ctx, w)
		if err == nil {
			ready, err = p.start(ctx, t, name, input)
		}
		if err == nil {
			err = p.placed(t, began) //nolint:contextcheck // What follows the work outlives the call.
		}
		var again *refusal
		switch {
		case err == nil:
			return t, ready, nil
		case !errors.As(err, &again):
			return nil, nil, p.refused(t, err)
		case again.final:
			// Another machine would most likely say the same. Twice, and it is so.
			if refusals++; refusals == maxRefusals {
				return nil, nil, p.refused(t, &LostError{Machine: t.machine.launch, Started: StartedNo, Err: again.err})
			}
		}
	}
}

// maxRefusals is how often work is placed again that a machine refused for
// something other than lack of room.
const maxRefusals = 3

// placed makes t count as placed, and follows it from then on.
func (p *Pool) placed(t *work, began time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		p.spawnLocked(func() { p.abandon(t) })
		return ErrClosed
	}
	t.placed = time.Now()
	t.machine.placed++
	p.counts.Placed++
	p.emitLocked(Event{Kind: WorkPlaced, Machine: t.machine.launch, Work: t.id, Took: t.placed.Sub(began)})
	p.spawnLocked(func() { p.follow(t) })
	return nil
}

// refused counts a call that failed, and returns its error.
func (p *Pool) refused(t *work, err error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := Event{Kind: WorkRefused, Err: err}
	if t != nil {
		e.Machine, e.Work = t.machine.launch, t.id
	}
	p.counts.Refused++
	p.emitLocked(e)
	return err
}

// A refusal proves that nothing ran: the work may be placed again.
type refusal struct {
	final bool // not for lack of room
	err   error
}

// Error implements error.
func (r *refusal) Error() string { return r.err.Error() }

// start asks t's runner to start the work and waits until it is ready. Unless it
// returns nil, t's slot is given back: at once where nothing runs, else when it has ended.
func (p *Pool) start(ctx context.Context, t *work, name string, input []byte) ([]byte, error) {
	m := t.machine
	if !slices.Contains(m.names, name) {
		p.free(t, nil)
		return nil, fmt.Errorf("machine %s knows no job %q, but %q", m.launch, name, m.names)
	}
	limited, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer time.AfterFunc(p.o.Timeout, func() { cancel(&TimeoutError{Phase: PhaseRun}) }).Stop()
	defer context.AfterFunc(p.taking, func() { cancel(ErrClosed) })() //nolint:contextcheck // Run's, besides the caller's.

	resp, err := m.link.rpc.Start(limited, connect.NewRequest(&runnerv1.StartRequest{
		WorkId: string(t.id), Build: p.build, Name: name, Input: input, Parent: p.parent,
	}))
	switch {
	case err == nil && resp.Msg.GetFailure() == nil:
		return resp.Msg.GetRunning(), nil
	case err == nil:
		p.free(t, nil)
		return nil, remote(t.id, resp.Msg.GetFailure())
	}
	if r := p.refusal(t, err); r != nil {
		return nil, r
	}
	// Nobody knows whether it runs.
	t.breaks()
	p.spawn(func() { p.abandon(t) }) //nolint:contextcheck // The call is over.
	return nil, p.startError(limited, t, err)
}

// startError is why a Start without a result failed: time is up, or the machine lost.
func (p *Pool) startError(ctx context.Context, t *work, err error) error {
	answered := connect.IsWireError(err)
	switch {
	case errors.Is(context.Cause(ctx), context.DeadlineExceeded), // the caller's, or Options.Timeout
		answered && connect.CodeOf(err) == connect.CodeDeadlineExceeded: // the runner keeps time too
		return &TimeoutError{Phase: PhaseRun}
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case answered && connect.CodeOf(err) == connect.CodeAborted: // the runner goes, with the work on it
		return p.lost(t.machine, StartedYes, err)
	case answered:
		return fmt.Errorf("start on machine %s: %w", t.machine.launch, err)
	}
	p.awaitQuiet(ctx, t.machine)
	return p.lost(t.machine, StartedMaybe, err)
}

// refusal says whether err proves that nothing ran. If so it gives t's slot back, and
// notes what that tells of the machine; else it returns nil.
func (p *Pool) refusal(t *work, err error) *refusal {
	r := &refusal{err: err}
	after := phaseReady
	switch code := connect.CodeOf(err); {
	case errors.Is(err, errDial):
		// The stream is open on a connection that is made, so that one is broken.
		after = phaseEnding
	case !connect.IsWireError(err):
		return nil
	case code == connect.CodeResourceExhausted:
	case code == connect.CodeUnavailable:
		after = phaseDraining
	case code == connect.CodeFailedPrecondition:
		// It is of our build and knows the job, so it does not see us attend: our
		// stream is broken and does not know it yet.
		after, r.final = phaseEnding, true
	default:
		return nil
	}
	if after == phaseEnding {
		t.machine.finish(fmt.Errorf("machine takes no work: %w", err))
	}
	p.turnAway(t, after)
	t.machine.log.Debug("work refused by its runner", "work", string(t.id), "reason", err)
	return r
}

// turnAway gives t's slot back and, in the same instant, gives its machine no more
// work until it has news, or a moment has passed; after is where it stands then.
func (p *Pool) turnAway(t *work, after phase) {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := t.machine
	p.freeLocked(t, nil)
	m.blocked = time.Now().Add(minBackoff)
	if m.phase == phaseReady {
		m.phase = after
	}
}

// remote is a failure of the work's own.
func remote(id WorkID, f *runnerv1.Failure) error {
	return &RemoteError{Work: id, Message: f.GetMessage(), Stack: f.GetStack(), Panic: f.GetPanic()}
}
