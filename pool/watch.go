package pool

import (
	"context"
	"time"
)

// A watch waits for a machine's end, where its backend knows.
type watch struct {
	active bool
	exited chan struct{} // closed once machine.exit is set
	stop   func()        // ends it, and waits for that
}

// watch begins to. When the machine ends, so does its life, with a moment for its
// stream to end by itself first.
func (p *Pool) watch(ctx context.Context, m *machine, w *watch) {
	backend, ok := p.backend.(Watcher)
	if !ok {
		return
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	w.active = true
	w.stop = func() { cancel(); <-done }
	go func() {
		defer close(done)
		exit, err := backend.Watch(ctx, m.at)
		if err != nil {
			return
		}
		p.mu.Lock()
		m.exit = &exit
		booting := m.phase == phaseBooting
		p.mu.Unlock()
		close(w.exited)
		if !booting {
			_ = sleep(ctx, settleFor)
		}
		m.finish(errExited)
	}()
}

// settle waits for the machine's exit to be known, but not for long.
func (w *watch) settle() {
	if !w.active {
		return
	}
	t := time.NewTimer(settleFor)
	defer t.Stop()
	select {
	case <-w.exited:
	case <-t.C:
	}
}

// settle waits until m's exit is known and its work has heard how it ended, but not
// for long: a result may be on its way still while the stream has ended already.
func (p *Pool) settle(m *machine, w *watch) {
	t := time.NewTimer(settleFor)
	defer t.Stop()
	exited := w.exited
	if !w.active {
		exited = nil
	}
	for _, work := range p.worksOf(m) {
		select {
		case <-work.done:
		case <-work.broken:
		case <-t.C:
			return
		}
	}
	if exited == nil {
		return
	}
	select {
	case <-exited:
	case <-t.C:
	}
}

// worksOf is what takes m's slots now.
func (p *Pool) worksOf(m *machine) []*work {
	p.mu.Lock()
	defer p.mu.Unlock()
	works := make([]*work, 0, len(m.works))
	for _, t := range m.works {
		works = append(works, t)
	}
	return works
}
