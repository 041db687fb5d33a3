package pool

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// destroyGrace is what destroying all machines may take, once work has ended.
const destroyGrace = 10 * time.Second

// drain ends everything: what waits, what boots, what runs, what is left. Cutting
// ends the context that machines live in, should it come to that.
func (p *Pool) drain(ctx context.Context, cut context.CancelCauseFunc) error {
	works, machines := p.shut()
	p.log.Info("pool closes", "works", len(works), "machines", len(machines))
	p.endWorks(works)
	limit := time.AfterFunc(destroyGrace, func() { cut(ErrClosed) })
	defer limit.Stop()
	for _, m := range machines {
		p.spawn(func() { p.dismiss(ctx, m) })
	}
	p.seal()
	<-p.idle
	p.mu.Lock()
	defer p.mu.Unlock()
	return errors.Join(p.leaks...)
}

// seal has idle closed once nothing runs.
func (p *Pool) seal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sealing = true
	p.sealLocked()
}

// shut takes nothing new, sends all that wait away, and returns what there is.
func (p *Pool) shut() (works []*work, machines []*machine) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, w := range p.waiters {
		w.replyLocked(nil, ErrClosed)
	}
	p.waiters = nil
	for _, m := range p.machines {
		for _, t := range m.works {
			works = append(works, t)
		}
	}
	return works, p.machines
}

// endWorks has all work end, and waits for that, for at most Options.Shutdown.
func (p *Pool) endWorks(works []*work) {
	for _, t := range works {
		p.spawn(func() { p.stopQuietly(t) })
	}
	timer := time.NewTimer(p.o.Shutdown)
	defer timer.Stop()
	for _, t := range works {
		select {
		case <-t.done:
		case <-timer.C:
			p.log.Warn("work did not end", "within", p.o.Shutdown)
			return
		}
	}
}

// dismiss ends the life of m, once its runner knows that it is to go.
func (p *Pool) dismiss(ctx context.Context, m *machine) {
	p.mu.Lock()
	ready := m.phase == phaseReady || m.phase == phaseDraining
	finish := m.finish
	p.mu.Unlock()
	if ready {
		if _, err := p.askToRetire(ctx, m, false); err != nil {
			m.log.Debug("runner does not retire", "error", err)
		}
		p.mu.Lock()
		p.retiredLocked(m)
		p.mu.Unlock()
	}
	if finish != nil {
		finish(ErrClosed)
	}
}

// destroy ends m for good and gives its reservation back: a machine counts until its
// Destroy was accepted, or the backend no longer names it. It tries until it is so.
func (p *Pool) destroy(m *machine) {
	err := p.insist(m, "destroy machine", func(ctx context.Context) error { return p.destroyOnce(ctx, m) })
	if err == nil {
		err = p.insist(m, "release machine", func(ctx context.Context) error { return p.ledger.release(ctx, m.launch) })
	}
	p.mu.Lock()
	m.held = false
	if err != nil {
		p.leaks = append(p.leaks, err)
	} else {
		p.emitLocked(Event{Kind: MachineGone, Machine: m.launch, Took: time.Since(m.reserved)})
	}
	p.mu.Unlock()
	p.forget(m)
}

// insist does what do does, again and again, until it succeeds or time is up.
func (p *Pool) insist(m *machine, verb string, do func(context.Context) error) error {
	for attempt := 0; ; attempt++ {
		err := do(p.living)
		if err == nil {
			return nil
		}
		m.log.Warn(verb+" failed", "attempt", attempt+1, "error", err)
		p.setPhase(m, phaseStuck)
		if sleep(p.living, backoff(attempt)) != nil {
			return fmt.Errorf("%s %s: %w", verb, m.launch, err)
		}
	}
}

// destroyOnce has the backend destroy m. A machine whose Boot failed may exist all
// the same: its backend's list tells.
func (p *Pool) destroyOnce(ctx context.Context, m *machine) error {
	ctx, cancel := context.WithTimeout(ctx, destroyTimeout)
	defer cancel()
	p.mu.Lock()
	at := m.at
	p.mu.Unlock()
	var destroyErr error
	if at.ID != "" {
		if destroyErr = p.backend.Destroy(ctx, at); destroyErr == nil {
			return nil
		}
	}
	listed, err := p.backend.List(ctx, p.o.Name)
	if err != nil {
		return errors.Join(destroyErr, err)
	}
	for _, l := range listed {
		if l.Launch != m.launch {
			continue
		}
		if destroyErr != nil {
			return destroyErr
		}
		return p.backend.Destroy(ctx, l)
	}
	return nil
}
