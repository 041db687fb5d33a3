package pool

// Stats is a pool at one moment.
type Stats struct {
	// Booting, Ready and Ending are this parent's machines. Draining ones, which
	// finish their work and take no more, count as Ending.
	Booting, Ready, Ending int
	// Slots is the room of the ready machines; Used what this parent has on all.
	Slots, Used int
	// Waiting is how many callers wait for a slot.
	Waiting int
	// Counts only grow.
	Counts
}

// Counts are what has happened since New.
type Counts struct {
	Booted     int // machines that became ready
	BootFailed int // machines that did not
	Lost       int // machines that were lost after they had become ready
	Retired    int // machines that were let go
	Placed     int // jobs that became ready
	Refused    int // calls of Place that failed
	Dropped    int // events that nobody was told
}

// Stats may be called at any time.
func (p *Pool) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := Stats{Waiting: len(p.waiters), Counts: p.counts}
	s.Dropped = p.dropped
	for _, m := range p.machines {
		s.Used += len(m.works)
		switch m.phase {
		case phaseBooting:
			s.Booting++
		case phaseReady:
			s.Ready++
			s.Slots += m.slots
		case phaseDraining, phaseEnding, phaseStuck:
			s.Ending++
		}
	}
	return s
}
