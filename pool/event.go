package pool

import "time"

// maxEvents is how many events wait for Options.Event before further ones are dropped.
const maxEvents = 1024

// An EventKind says what happened.
type EventKind string

// What happens in a pool.
const (
	// MachineBooting: reserved, and about to be made.
	MachineBooting EventKind = "machine booting"
	// MachineReady: takes work. Took counts from the reservation.
	MachineReady EventKind = "machine ready"
	// MachineFailed: did not become ready; Err is a *BootError.
	MachineFailed EventKind = "machine failed"
	// MachineLost: ended without being asked to, or cannot be reached.
	MachineLost EventKind = "machine lost"
	// MachineRetired: takes no more work. Took is how long it had been ready.
	MachineRetired EventKind = "machine retired"
	// MachineGone: destroyed, and its reservation given back.
	MachineGone EventKind = "machine gone"
	// WorkPlaced: a job is ready. Took counts from the call of Place.
	WorkPlaced EventKind = "work placed"
	// WorkRefused: a call of Place failed; Err says why.
	WorkRefused EventKind = "work refused"
	// WorkEnded: a placed job ended, Took after it was placed; Err is nil where it
	// ended well.
	WorkEnded EventKind = "work ended"
)

// An Event is something that happened.
type Event struct {
	Time    time.Time
	Kind    EventKind
	Machine string        // launch id; empty where there is none
	Work    WorkID        // empty where there is none
	Took    time.Duration // 0 where it means nothing
	Err     error
}

// emitLocked hands e to the goroutine of Options.Event, or drops and counts it.
// Being called with the lock held keeps events in order.
func (p *Pool) emitLocked(e Event) {
	if p.o.Event == nil || p.sealed {
		return
	}
	e.Time = time.Now()
	select {
	case p.events <- e:
	default:
		p.dropped++
	}
}

// tell passes events on until the channel is closed.
func (p *Pool) tell() {
	for e := range p.events {
		p.o.Event(e)
	}
}
