package pool

import (
	"context"
	"slices"
	"time"
)

// grow reserves a batch of machines and begins the lives of those that it gets.
func (p *Pool) grow(batch []*machine) {
	ctx, cancel := context.WithTimeout(p.taking, p.o.BootTimeout)
	defer cancel()
	launches := make([]string, len(batch))
	for i, m := range batch {
		launches[i] = m.launch
	}
	granted, total, err := p.ledger.reserve(ctx, launches)
	if err != nil {
		be := &BootError{Phase: "reserve", Err: err}
		for _, m := range batch {
			p.bootFailed(m, be)
			p.forget(m)
		}
		return
	}
	p.noteForeign(batch, granted, total)
	for _, m := range batch {
		if !slices.Contains(granted, m.launch) {
			p.forget(m)
			continue
		}
		p.spawn(func() { p.live(m) })
	}
}

// noteForeign works out how many machines other parents have reserved: of the total
// those that this parent has not.
func (p *Pool) noteForeign(batch []*machine, granted []string, total int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	own := 0
	for _, m := range p.machines {
		m.held = m.held || slices.Contains(granted, m.launch)
		if m.held {
			own++
		}
	}
	now := time.Now()
	p.foreign, p.foreignAt = max(0, total-own), now.Add(foreignTrust)
	if len(granted) < len(batch) {
		// Whatever the count says, it was wrong a moment ago: do not ask at once.
		p.growAfter = now.Add(minBackoff)
	}
}

// bootFailed tells the pool why m did not become ready: boots back off, and who
// waits remembers it. Boots that were tried together and fail together count once.
func (p *Pool) bootFailed(m *machine, be *BootError) {
	p.mu.Lock()
	now := time.Now()
	m.phase = phaseEnding
	stopped := p.closed || p.taking.Err() != nil
	if !stopped {
		p.bootErr = be
		p.counts.BootFailed++
		p.growAfter = later(p.growAfter, now.Add(be.After))
	}
	if !stopped && !m.reserved.Before(p.failedAt) {
		p.failedAt = now
		p.growAfter = later(p.growAfter, now.Add(backoff(p.failures)))
		p.failures++
		for _, w := range p.waiters {
			w.failed++
		}
	}
	p.emitLocked(Event{Kind: MachineFailed, Machine: m.launch, Took: now.Sub(m.reserved), Err: be})
	p.signal()
	p.mu.Unlock()
	if !stopped {
		m.log.Warn("boot failed", "phase", be.Phase, "retry", be.Retry.String(), "took", now.Sub(m.reserved), "error", be.Err)
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// bootDone makes m ready, unless the pool has closed meanwhile.
func (p *Pool) bootDone(m *machine, slots int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return ErrClosed
	}
	m.slots = slots
	m.phase = phaseReady
	m.readyAt = time.Now()
	m.idleSince = m.readyAt
	p.bootErr, p.failures, p.growAfter = nil, 0, time.Time{}
	p.counts.Booted++
	p.emitLocked(Event{Kind: MachineReady, Machine: m.launch, Took: m.readyAt.Sub(m.reserved)})
	p.signal()
	return nil
}

// retire asks m's runner, which has been idle for long enough, to take no more work,
// and has m end if it agrees. Until it has agreed, work is still placed there: the
// runner admits it, and says no, or refuses it, and the work goes elsewhere.
func (p *Pool) retire(m *machine) {
	ok, err := p.askToRetire(p.living, m, true)
	if err != nil {
		m.log.Debug("runner not asked to retire", "error", err) // Its stream tells more.
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	m.asking = false
	if ok {
		p.retiredLocked(m)
	} else {
		m.idleSince = time.Now() // Not before another IdleAfter.
	}
	p.signal()
}

// retiredLocked ends m's life, as its runner takes no more work.
func (p *Pool) retiredLocked(m *machine) {
	if m.retired {
		return
	}
	m.phase, m.retired = phaseEnding, true
	p.counts.Retired++
	p.emitLocked(Event{Kind: MachineRetired, Machine: m.launch, Took: time.Since(m.readyAt)})
	m.finish(errRetired)
}
