package pool

import "time"

// maxFailedBoots is how many failed boots a waiter sees before it gets the cause.
const maxFailedBoots = 3

// A phase is where a machine stands in its life.
type phase int

const (
	phaseBooting  phase = iota // reserved, or being reserved; not ready yet
	phaseReady                 // takes work
	phaseDraining              // takes no more work; some may still run on it
	phaseEnding                // retired, lost or failed: about to be destroyed
	phaseStuck                 // its Destroy has failed at least once
)

// state is all that plan looks at: a copy, so that it can be made up in a test.
type state struct {
	now         time.Time
	max         int       // machines
	concurrency int       // work per machine that is to be made
	foreign     int       // machines of other parents that hold reservations
	foreignAt   time.Time // until when foreign is believed
	idleAfter   time.Duration
	bootTimeout time.Duration
	growAfter   time.Time  // no boot before
	bootErr     *BootError // why the last boot failed; nil since one succeeded
	machines    []machineState
	waiters     []waiterState // in the order they came
}

type machineState struct {
	phase     phase
	slots     int
	used      int       // slots
	placed    int       // of them by work that is ready
	blocked   time.Time // takes no work before: it has just said that it is full
	idleSince time.Time // meaningful while used is 0
	asking    bool      // a Retire is under way
}

type waiterState struct {
	noWait bool
	since  time.Time
	failed int // boots that it saw fail
}

// An action is one thing to do. Indices are those of the state.
type action struct {
	kind    actionKind
	waiter  int   // assign, refuse
	machine int   // assign, retire
	count   int   // grow: machines
	err     error // refuse
}

type actionKind int

const (
	actAssign actionKind = iota // give the waiter a slot of the machine
	actRefuse                   // end the waiter's wait with err
	actGrow                     // reserve and boot count machines
	actRetire                   // ask the machine whether it is idle, and let it go
)

// plan decides what to do now, and when to look again if nothing happens before;
// the zero time means never. It changes nothing and asks nobody.
//
// Waiters are served in their order: with a free slot, packed onto the machine that
// has the fewest left, so that the others idle out; else with a slot of a machine
// that boots; else by booting one. Machines that are on their way out count against
// max until they are gone, but a waiter may count on the room that they leave.
func plan(s state) ([]action, time.Time) {
	p := planner{state: s}
	p.machines = append([]machineState(nil), s.machines...)
	p.survey()
	for i := range s.waiters {
		p.serve(i)
	}
	if p.grow > 0 {
		p.acts = append(p.acts, action{kind: actGrow, count: p.grow})
	}
	p.shrink()
	return p.acts, p.next
}

// planner is the running account of one plan.
type planner struct {
	state
	acts    []action
	next    time.Time
	booting int // slots of machines that boot and nobody counts on yet
	room    int // machines that may be made now or once the ending ones are gone
	roomNow int // machines that may be made now
	leaving int // machines that are about to leave room
	grow    int // machines to make
}

// survey counts what there is.
func (p *planner) survey() {
	foreign := p.foreign
	if !p.now.Before(p.foreignAt) {
		foreign = 0 // Too old to refuse anybody for: trying to reserve will tell.
	}
	live := 0
	for _, m := range p.machines {
		switch m.phase {
		case phaseBooting:
			live++
			p.booting += m.slots
		case phaseReady:
			live++
		case phaseDraining:
			// What is being started there is about to be refused, and holds it no more.
			if m.placed > 0 {
				live++
			} else {
				p.leaving++
			}
		case phaseEnding:
			p.leaving++
		case phaseStuck:
		}
	}
	p.room = max(0, p.max-foreign-live)
	p.roomNow = max(0, p.max-foreign-len(p.machines))
}

// serve decides about one waiter.
func (p *planner) serve(i int) {
	w := p.waiters[i]
	if m := p.pick(); m >= 0 {
		p.machines[m].used++
		p.acts = append(p.acts, action{kind: actAssign, waiter: i, machine: m})
		return
	}
	switch {
	case p.booting > 0:
		p.booting--
	case p.room == 0 && w.noWait:
		p.refuse(i, ErrNoCapacity)
	case p.room == 0:
		if p.foreign > 0 && p.now.Before(p.foreignAt) {
			p.lookAgain(p.foreignAt)
		}
	case p.hopeless(w):
		p.refuse(i, p.bootErr)
	case p.now.Before(p.growAfter):
		p.lookAgain(p.growAfter)
	case p.roomNow > 0:
		p.grow++
		p.countOn(&p.roomNow)
	case p.leaving > 0:
		p.countOn(&p.leaving)
	case w.noWait:
		p.refuse(i, ErrNoCapacity)
	}
}

// countOn has the waiters that follow use the other slots of a machine to be made,
// for which one is taken from where.
func (p *planner) countOn(where *int) {
	*where--
	p.room--
	p.booting += p.concurrency - 1
}

// hopeless reports whether a waiter that only a new machine can serve is to get the
// cause of the last failed boot instead. Where it has not waited long enough for
// that it has plan look again when it will have.
func (p *planner) hopeless(w waiterState) bool {
	if p.bootErr == nil {
		return false
	}
	// A boot may be tried right now, and this waiter has seen none fail.
	if w.failed == 0 && !p.now.Before(p.growAfter) && p.roomNow > 0 {
		return false
	}
	if w.noWait || p.bootErr.Retry == RetryNever || w.failed >= maxFailedBoots {
		return true
	}
	until := w.since.Add(p.bootTimeout)
	if p.now.Before(until) {
		p.lookAgain(until)
		return false
	}
	return true
}

// pick is the fullest machine with a free slot, the oldest of equals; -1 if none.
func (p *planner) pick() int {
	best := -1
	for i, m := range p.machines {
		if m.phase != phaseReady || m.used >= m.slots {
			continue
		}
		if p.now.Before(m.blocked) {
			p.lookAgain(m.blocked)
			continue
		}
		if best < 0 || m.used > p.machines[best].used {
			best = i
		}
	}
	return best
}

// shrink lets go of machines that have been idle for long enough.
func (p *planner) shrink() {
	for i, m := range p.machines {
		if m.phase != phaseReady || m.used > 0 || m.asking {
			continue
		}
		if at := m.idleSince.Add(p.idleAfter); p.now.Before(at) {
			p.lookAgain(at)
			continue
		}
		p.acts = append(p.acts, action{kind: actRetire, machine: i})
	}
}

func (p *planner) refuse(i int, err error) {
	p.acts = append(p.acts, action{kind: actRefuse, waiter: i, err: err})
}

// lookAgain brings the time of the next plan forward to at.
func (p *planner) lookAgain(at time.Time) {
	if p.next.IsZero() || at.Before(p.next) {
		p.next = at
	}
}
