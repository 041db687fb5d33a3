package pool

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// A waiter is one call of Place that wants a slot. Pool.mu protects it.
type waiter struct {
	seq      uint64 // its place in the queue, kept over refusals
	noWait   bool
	since    time.Time
	failed   int // rounds of boots that it saw fail
	answered bool
	answer   chan answer // holds one
}

// An answer is a slot, or why there is none.
type answer struct {
	work *work
	err  error
}

// replyLocked ends w's wait.
func (w *waiter) replyLocked(t *work, err error) {
	w.answered = true
	w.answer <- answer{work: t, err: err}
}

// slot waits in the queue for one. Where ctx ends first the caller leaves at once.
func (p *Pool) slot(ctx context.Context, w *waiter) (*work, error) {
	if err := p.enqueue(w); err != nil {
		return nil, err
	}
	select {
	case a := <-w.answer:
		return a.work, a.err
	case <-ctx.Done():
	}
	if t := p.leave(w); t != nil {
		p.free(t, nil)
	}
	return nil, p.waitError(ctx)
}

// enqueue puts w where its seq belongs: at the end, or, after a refusal, at its old place.
func (p *Pool) enqueue(w *waiter) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return ErrClosed
	}
	if w.seq == 0 {
		if len(p.waiters) >= p.o.Queue {
			return fmt.Errorf("%w: %d wait already", ErrQueueFull, len(p.waiters))
		}
		p.seq++
		w.seq = p.seq
	}
	w.answered, w.answer = false, make(chan answer, 1)
	i, _ := slices.BinarySearchFunc(p.waiters, w.seq, func(o *waiter, seq uint64) int { return cmp.Compare(o.seq, seq) })
	p.waiters = slices.Insert(p.waiters, i, w)
	p.signal()
	return nil
}

// leave takes w out of the queue. It returns the slot that w was given meanwhile.
func (p *Pool) leave(w *waiter) *work {
	p.mu.Lock()
	defer p.mu.Unlock()
	if w.answered {
		return (<-w.answer).work
	}
	p.waiters = slices.DeleteFunc(p.waiters, func(o *waiter) bool { return o == w })
	p.signal()
	return nil
}

// waitError is why a wait that ctx ended was in vain.
func (p *Pool) waitError(ctx context.Context) error {
	if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return context.Cause(ctx)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	e := &TimeoutError{Phase: PhaseQueue}
	if p.bootErr != nil {
		e.Err = p.bootErr
	}
	if slices.ContainsFunc(p.machines, func(m *machine) bool { return m.phase == phaseBooting }) || e.Err != nil {
		e.Phase = PhaseBoot
	}
	return e
}
