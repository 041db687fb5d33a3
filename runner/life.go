package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// lingerFor is how long a retiring runner waits for its parents to ask how their work ended.
const lingerFor = 500 * time.Millisecond

// life is what decides whether a runner stays.
type life struct {
	born      time.Time
	attended  bool      // by any parent, ever
	lastLeft  time.Time // when the last parent left
	idleSince time.Time // when the last work ended; at first, born
	retiring  bool
	abandoned bool      // the parent that booted it has died
	stopping  time.Time // when Run's ctx ended, or the listener broke; zero = not yet

	// Filled in for each decision.
	parents int // that attend
	work    int // that has not ended
	unread  int // see unreadLocked; counted only once it matters
}

// verdict is what to do, and for how long to wait with looking again if nothing changes.
type verdict struct {
	fate fate
	wait time.Duration // 0 = until something changes
}

type fate int

const (
	stay  fate = iota
	leave      // all is well
	leaveUnattended
	leaveStuck // with work still running
)

// decide says whether a runner in that state stays, at time now.
func (l life) decide(now time.Time, o Options) verdict {
	until := func(t time.Time, then fate) verdict {
		if wait := t.Sub(now); wait > 0 {
			return verdict{stay, wait}
		}
		return verdict{then, 0}
	}
	switch {
	case l.work > 0 && !l.stopping.IsZero():
		return until(l.stopping.Add(o.Shutdown), leaveStuck)
	case l.work > 0 && l.parents == 0: // all of it was told to end
		return until(l.lastLeft.Add(o.Shutdown), leaveStuck)
	case l.work > 0:
		return verdict{stay, 0}
	case l.retiring && l.unread > 0:
		return until(l.idleSince.Add(lingerFor), leave)
	case l.retiring:
		return verdict{leave, 0}
	case l.parents > 0:
		return verdict{stay, 0}
	case l.abandoned:
		return verdict{leave, 0}
	case !l.attended:
		return until(l.born.Add(o.Failsafe), leaveUnattended)
	default:
		return until(l.lastLeft.Add(o.Orphan), leave)
	}
}

// live returns once the runner has to go, and why if that is a failure. broken yields the error of a
// listener that failed.
func (r *Runner) live(ctx context.Context, broken <-chan error) error {
	ended := ctx.Done()
	var failure error
	for {
		fate, wait, changed := r.step(time.Now())
		switch fate {
		case stay:
		case leave:
			return failure
		case leaveUnattended:
			return fmt.Errorf("no parent attended machine %s within %s", r.machine, r.o.Failsafe)
		case leaveStuck:
			return r.stuck(failure)
		}
		var alarm <-chan time.Time
		if wait > 0 {
			alarm = time.After(wait)
		}
		select {
		case <-changed:
		case <-alarm:
		case <-ended:
			ended = nil
			r.shutdown("run's context ended")
		case err := <-broken:
			broken = nil
			failure = fmt.Errorf("serve machine %s: %w", r.machine, err)
			r.shutdown("the listener broke")
		}
	}
}

// step decides. Where the runner is to go, it stops admission under the same lock, so that nothing
// comes in between.
func (r *Runner) step(now time.Time) (fate, time.Duration, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.life
	l.parents, l.work = len(r.parents), len(r.work)
	if l.retiring && l.work == 0 {
		l.unread = r.unreadLocked()
	}
	v := l.decide(now, r.o)
	if v.fate != stay {
		r.retireLocked("nothing holds it")
		close(r.left)
	}
	return v.fate, v.wait, r.changed
}

// unreadLocked counts the ended work whose parent attends and has not learnt how it ended.
func (r *Runner) unreadLocked() int {
	n := 0
	for _, w := range r.ended.order {
		if !w.read && r.parents[w.parent] > 0 {
			n++
		}
	}
	return n
}

// shutdown stops admission and asks all work to end.
func (r *Runner) shutdown(reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.life.stopping.IsZero() {
		r.life.stopping = time.Now()
	}
	r.retireLocked(reason)
	for _, w := range r.work {
		w.cancel(ErrShutdown)
	}
}

// abandon notes that the parent that booted this runner has died.
func (r *Runner) abandon() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.life.abandoned = true
	r.log.Info("the parent that booted this runner is gone", "parents", len(r.parents))
	r.changeLocked()
}

// stuck names the work that did not end, and the failure behind it if there is one.
func (r *Runner) stuck(failure error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var names []string
	for _, w := range r.work {
		names = append(names, w.name+" "+w.id)
	}
	slices.Sort(names)
	text := fmt.Sprintf("machine %s leaves work that did not end within %s: %s", r.machine, r.o.Shutdown, strings.Join(names, ", "))
	if failure != nil {
		return fmt.Errorf("%s, after: %w", text, failure)
	}
	return errors.New(text)
}
