package pool

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// A machine is one machine of this parent's, from its reservation until it is gone.
// Its fields are protected by Pool.mu, but for those that say otherwise.
type machine struct {
	launch   string       // never changes
	log      *slog.Logger // never changes
	reserved time.Time    // never changes

	phase     phase
	slots     int
	works     map[WorkID]*work // each takes a slot
	placed    int              // of them those that are ready
	blocked   time.Time        // said that it is full; ask again then
	idleSince time.Time
	readyAt   time.Time
	asking    bool
	leaving   bool // its runner has said that it takes no more work
	retired   bool // it was let go
	held      bool // its reservation stands in the ledger
	at        Machine
	names     []string // jobs that its runner knows, sorted
	exit      *Exit    // how it ended, once that is known

	link   *link                   // set before it is ready
	finish context.CancelCauseFunc // has it end; set when its life begins

	// quiet is closed when nothing runs on it any more and exit is as well known as
	// it will ever be.
	quiet chan struct{}
}

// A work is one piece of work that takes a slot, from when the slot was given.
type work struct {
	id      WorkID
	machine *machine
	placed  time.Time     // when it was ready; zero before. Protected by Pool.mu
	done    chan struct{} // closed when it has ended
	err     error         // how; set before done is closed
	broken  chan struct{} // closed when a call about it has failed: no result is on its way
	once    sync.Once     // for broken
}

// breaks notes that a call about t has failed.
func (t *work) breaks() { t.once.Do(func() { close(t.broken) }) }

func newMachine(launch string, slots int, log *slog.Logger) *machine {
	return &machine{
		launch:   launch,
		log:      log.With("machine", launch),
		reserved: time.Now(),
		slots:    slots,
		works:    map[WorkID]*work{},
		quiet:    make(chan struct{}),
	}
}

// machineStateLocked is what plan knows of it.
func (m *machine) machineStateLocked() machineState {
	return machineState{
		phase: m.phase, slots: m.slots, used: len(m.works), placed: m.placed,
		blocked: m.blocked, idleSince: m.idleSince, asking: m.asking,
	}
}

// assignLocked gives w a slot of m.
func (p *Pool) assignLocked(w *waiter, m *machine) {
	t := &work{id: newWorkID(m.launch), machine: m, done: make(chan struct{}), broken: make(chan struct{})}
	m.works[t.id] = t
	w.replyLocked(t, nil)
}

// free ends t, with err, and gives its slot back.
func (p *Pool) free(t *work, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.freeLocked(t, err)
}

func (p *Pool) freeLocked(t *work, err error) {
	m := t.machine
	delete(m.works, t.id)
	if len(m.works) == 0 {
		m.idleSince = time.Now()
	}
	if !t.placed.IsZero() {
		m.placed--
		p.emitLocked(Event{Kind: WorkEnded, Machine: m.launch, Work: t.id, Took: time.Since(t.placed), Err: err})
	}
	t.err = err
	close(t.done)
	p.signal()
}

// lost is the error of work whose machine was lost under it.
func (p *Pool) lost(m *machine, started Started, err error) *LostError {
	p.mu.Lock()
	defer p.mu.Unlock()
	return &LostError{Machine: m.launch, Started: started, Exit: m.exit, Err: err}
}

// forget takes m out of the pool.
func (p *Pool) forget(m *machine) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.machines = slices.DeleteFunc(slices.Clone(p.machines), func(o *machine) bool { return o == m })
	p.signal()
}

// setPhase moves m on.
func (p *Pool) setPhase(m *machine, ph phase) {
	p.mu.Lock()
	defer p.mu.Unlock()
	m.phase = ph
	p.signal()
}
